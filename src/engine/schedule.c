/* See schedule.h. */
#include "schedule.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct schedule_type {
    const char *name;
    void (*read)(struct schedule *schedule, const struct attrs *attrs);
    /* The rate without warm-up. */
    double (*rate)(const struct schedule *schedule, int64_t step,
                   const struct plateau *plateau);
};

static int64_t epoch_of(const struct schedule *schedule, int64_t step)
{
    return step / schedule->steps_per_epoch;
}

static double constant_rate(const struct schedule *schedule, int64_t step,
                            const struct plateau *plateau)
{
    (void)step;
    (void)plateau;
    return schedule->learning_rate;
}

static void step_read(struct schedule *schedule, const struct attrs *attrs)
{
    schedule->step_epochs = attrs_integer(attrs, "step_epochs");
    schedule->gamma = attrs_number(attrs, "gamma");
}

static double step_rate(const struct schedule *schedule, int64_t step,
                        const struct plateau *plateau)
{
    (void)plateau;
    int64_t drops = epoch_of(schedule, step) / schedule->step_epochs;
    return schedule->learning_rate * pow(schedule->gamma, (double)drops);
}

static void exponential_read(struct schedule *schedule, const struct attrs *attrs)
{
    schedule->gamma = attrs_number(attrs, "gamma");
}

static double exponential_rate(const struct schedule *schedule, int64_t step,
                               const struct plateau *plateau)
{
    (void)plateau;
    return schedule->learning_rate *
           pow(schedule->gamma, (double)epoch_of(schedule, step));
}

static void cosine_read(struct schedule *schedule, const struct attrs *attrs)
{
    schedule->minimum = attrs_number(attrs, "minimum_learning_rate");
}

/* Loshchilov and Hutter 2017, equation 5, without restarts. After the last step t would
 * be 1, as in CosineAnnealingLR. */
static double cosine_rate(const struct schedule *schedule, int64_t step,
                          const struct plateau *plateau)
{
    (void)plateau;
    int64_t length = schedule->steps - schedule->warmup_steps;
    int64_t done = step - schedule->warmup_steps;
    double t = length > 0 && done > 0 ? (double)done / (double)length : 0.0;
    double high = schedule->learning_rate, low = schedule->minimum;
    return low + (high - low) * (1.0 + cos(3.14159265358979323846 * fmin(t, 1.0))) / 2.0;
}

static void plateau_read(struct schedule *schedule, const struct attrs *attrs)
{
    schedule->factor = attrs_number(attrs, "factor");
    schedule->patience = attrs_integer(attrs, "patience");
    schedule->min_delta = attrs_number(attrs, "min_delta");
    schedule->minimum = attrs_number(attrs, "minimum_learning_rate");
    snprintf(schedule->monitor, sizeof(schedule->monitor), "%s",
             attrs_string(attrs, "monitor"));
}

static double plateau_rate(const struct schedule *schedule, int64_t step,
                           const struct plateau *plateau)
{
    (void)step;
    double rate =
        schedule->learning_rate * pow(schedule->factor, (double)plateau->reductions);
    return fmin(schedule->learning_rate, fmax(rate, schedule->minimum));
}

static const struct schedule_type schedule_table[] = {
    {"constant", NULL, constant_rate},
    {"step", step_read, step_rate},
    {"exponential", exponential_read, exponential_rate},
    {"cosine", cosine_read, cosine_rate},
    {"reduce_on_plateau", plateau_read, plateau_rate},
};

#define SCHEDULES (sizeof(schedule_table) / sizeof(schedule_table[0]))

const char *schedule_name(size_t which)
{
    return which < SCHEDULES ? schedule_table[which].name : NULL;
}

int schedule_init(struct schedule *schedule, const struct choice *choice,
                  double learning_rate, int64_t steps_per_epoch, int64_t steps,
                  struct error *err)
{
    for (size_t i = 0; i < SCHEDULES; i++) {
        if (strcmp(schedule_table[i].name, choice->type) != 0)
            continue;
        *schedule = (struct schedule){
            .type = &schedule_table[i],
            .learning_rate = learning_rate,
            .warmup_steps = attrs_integer(&choice->attrs, "warmup_steps"),
            .steps_per_epoch = steps_per_epoch > 0 ? steps_per_epoch : 1,
            .steps = steps,
        };
        if (schedule_table[i].read)
            schedule_table[i].read(schedule, &choice->attrs);
        return 0;
    }
    return error_set(err, ERR_INVALID, "the engine has no schedule \"%s\"", choice->type);
}

double schedule_rate(const struct schedule *schedule, int64_t step,
                     const struct plateau *plateau)
{
    double rate = schedule->type->rate(schedule, step, plateau);
    if (step < schedule->warmup_steps)
        rate *= (double)(step + 1) / (double)schedule->warmup_steps;
    return rate;
}

bool schedule_observe(const struct schedule *schedule, struct plateau *plateau,
                      double value, bool higher_is_better)
{
    if (schedule->type->rate != plateau_rate)
        return false;
    double gain = higher_is_better ? value - plateau->best : plateau->best - value;
    if (!isnan(value) && (!plateau->has_best || gain > schedule->min_delta)) {
        plateau->best = value;
        plateau->has_best = true;
        plateau->bad_epochs = 0;
        return false;
    }
    if (++plateau->bad_epochs <= schedule->patience)
        return false;
    plateau->bad_epochs = 0;
    double before = plateau_rate(schedule, 0, plateau);
    plateau->reductions++;
    return plateau_rate(schedule, 0, plateau) < before;
}
