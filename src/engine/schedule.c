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

static void multi_step_read(struct schedule *schedule, const struct attrs *attrs)
{
    const struct attr *milestones = attrs_find(attrs, "milestones");
    schedule->gamma = attrs_number(attrs, "gamma");
    schedule->milestone_count = milestones->list_count;
    memcpy(schedule->milestones, milestones->list, sizeof(schedule->milestones));
}

static double multi_step_rate(const struct schedule *schedule, int64_t step,
                              const struct plateau *plateau)
{
    (void)plateau;
    int drops = 0;
    for (int i = 0; i < schedule->milestone_count; i++)
        drops += schedule->milestones[i] <= epoch_of(schedule, step);
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

/* Steps done since the end of the warm-up. */
static int64_t done_of(const struct schedule *schedule, int64_t step)
{
    return step > schedule->warmup_steps ? step - schedule->warmup_steps : 0;
}

/* And their share of all that follow it. */
static double share_done(const struct schedule *schedule, int64_t step)
{
    int64_t length = schedule->steps - schedule->warmup_steps;
    double done = (double)done_of(schedule, step);
    return length > 0 ? fmin(done / (double)length, 1.0) : 0.0;
}

/* From `start` at t = 0 to `end` at t = 1. */
static double anneal(double start, double end, double t)
{
    return end + (start - end) * (1.0 + cos(3.14159265358979323846 * t)) / 2.0;
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
    return anneal(schedule->learning_rate, schedule->minimum, share_done(schedule, step));
}

static void restarts_read(struct schedule *schedule, const struct attrs *attrs)
{
    schedule->minimum = attrs_number(attrs, "minimum_learning_rate");
    schedule->period_epochs = attrs_integer(attrs, "period_epochs");
    schedule->period_multiplier = attrs_integer(attrs, "period_multiplier");
}

static double restarts_rate(const struct schedule *schedule, int64_t step,
                            const struct plateau *plateau)
{
    (void)plateau;
    int64_t done = done_of(schedule, step);
    int64_t period = schedule->period_epochs * schedule->steps_per_epoch;
    if (schedule->period_multiplier == 1)
        done %= period;
    while (done >= period) {
        done -= period;
        period *= schedule->period_multiplier;
    }
    return anneal(schedule->learning_rate, schedule->minimum,
                  (double)done / (double)period);
}

static void polynomial_read(struct schedule *schedule, const struct attrs *attrs)
{
    schedule->minimum = attrs_number(attrs, "minimum_learning_rate");
    schedule->power = attrs_number(attrs, "power");
}

static double polynomial_rate(const struct schedule *schedule, int64_t step,
                              const struct plateau *plateau)
{
    (void)plateau;
    double left = pow(1.0 - share_done(schedule, step), schedule->power);
    return schedule->minimum + (schedule->learning_rate - schedule->minimum) * left;
}

static void one_cycle_read(struct schedule *schedule, const struct attrs *attrs)
{
    schedule->rising_share = attrs_number(attrs, "pct_start");
    schedule->factor = attrs_number(attrs, "div_factor");
    schedule->final_factor = attrs_number(attrs, "final_div_factor");
}

/* Smith and Topin 2018 with the two phases of PyTorch: the first ends at step
 * pct_start steps - 1, the second at the last step. */
static double one_cycle_rate(const struct schedule *schedule, int64_t step,
                             const struct plateau *plateau)
{
    (void)plateau;
    double steps = (double)(schedule->steps - schedule->warmup_steps);
    double top = schedule->rising_share * steps - 1.0, last = steps - 1.0;
    double done = (double)done_of(schedule, step);
    double highest = schedule->learning_rate;
    double first = highest / schedule->factor, lowest = first / schedule->final_factor;
    if (steps < 1)
        return first;
    if (done <= top && top > 0)
        return anneal(first, highest, done / top);
    return last > top ? anneal(highest, lowest, fmin((done - top) / (last - top), 1.0))
                      : highest;
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
    {"multi_step", multi_step_read, multi_step_rate},
    {"polynomial", polynomial_read, polynomial_rate},
    {"cosine_restarts", restarts_read, restarts_rate},
    {"one_cycle", one_cycle_read, one_cycle_rate},
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
