/*
 * See onnx_ends.h. Features are worked out in double and rounded once, as data/elements.h
 * says, so that they are those of training to the bit. The columns of a table are put
 * together by kind, worked on as matrices, and then brought into the order of the
 * features.
 */
#include "onnx_ends.h"

#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

const char *onnx_ends_obstacle(const struct preprocess *preprocess)
{
    for (int i = 0; i < preprocess->input_count; i++) {
        const struct preprocess_column *column = &preprocess->inputs[i];
        if (column->type == COLUMN_CATEGORY && column->value_count == 0)
            return "a category has no values";
    }
    if (preprocess->reconstructs)
        return "the target is the input";
    return NULL;
}

/* (x - shift) / scale in double, as float. */
static struct onnx_value normalized(struct onnx_graph *graph, const struct onnx_value *x,
                                    const struct onnx_value *shift,
                                    const struct onnx_value *scale)
{
    struct onnx_value centered = onnx_binary(graph, "Sub", x, shift);
    struct onnx_value scaled = onnx_binary(graph, "Div", &centered, scale);
    return onnx_cast(graph, &scaled, ONNX_FLOAT);
}

/* ---- arrays ---- */

static struct onnx_value emit_array(struct onnx_graph *graph,
                                    const struct preprocess *preprocess)
{
    static const enum onnx_type types[] = {
        [ELEMENT_UINT8] = ONNX_UINT8,   [ELEMENT_INT8] = ONNX_INT8,
        [ELEMENT_INT16] = ONNX_INT16,   [ELEMENT_INT32] = ONNX_INT32,
        [ELEMENT_FLOAT32] = ONNX_FLOAT, [ELEMENT_FLOAT64] = ONNX_DOUBLE,
    };
    const struct shape *shape = &preprocess->sample_shape;
    const struct number_transform *transform = &preprocess->array;
    enum onnx_type type = types[preprocess->element];
    struct onnx_value x =
        onnx_graph_input(graph, "input", type, shape->dims, (size_t)shape->rank);
    if (transform->shift == 0 && transform->scale == 1)
        return type == ONNX_FLOAT ? x : onnx_cast(graph, &x, ONNX_FLOAT);
    struct onnx_value shift = onnx_constant_double(graph, transform->shift);
    struct onnx_value scale = onnx_constant_double(graph, transform->scale);
    struct onnx_value wide = type == ONNX_DOUBLE ? x : onnx_cast(graph, &x, ONNX_DOUBLE);
    return normalized(graph, &wide, &shift, &scale);
}

/* ---- texts ---- */

/* Ids as the engine has them, which are exact in float. */
static struct onnx_value emit_tokens(struct onnx_graph *graph,
                                     const struct preprocess *preprocess)
{
    struct onnx_value tokens =
        onnx_graph_input(graph, "tokens", ONNX_INT64, &preprocess->feature_count, 1);
    return onnx_cast(graph, &tokens, ONNX_FLOAT);
}

/* ---- tables ---- */

/* A column's input. A name that something else in the graph could have gets a prefix. */
static struct onnx_value column_input(struct onnx_graph *graph,
                                      const struct preprocess_column *column,
                                      const struct model_spec *model)
{
    static const char *const outputs[] = {"label", "probabilities", "value", "values"};
    static const int64_t one[] = {1};
    bool taken = column->name[0] == '/' || column->name[0] == '\0';
    for (size_t i = 0; i < sizeof(outputs) / sizeof(outputs[0]); i++)
        taken = taken || strcmp(column->name, outputs[i]) == 0;
    for (int i = 0; i < model->layer_count; i++) {
        const char *name = model->layers[i].name;
        size_t length = strlen(name);
        taken = taken ||
                (strncmp(column->name, name, length) == 0 && column->name[length] == '.');
    }
    char text[ONNX_NAME_SIZE];
    snprintf(text, sizeof(text), "%s%s", taken ? "input:" : "", column->name);
    return onnx_graph_input(
        graph, text, column->type == COLUMN_CATEGORY ? ONNX_STRING : ONNX_FLOAT, one, 1);
}

/* The number columns of a table, side by side, and a number of each. */
struct number_columns {
    int64_t count, indicators;
    double *fill, *shift, *scale;
    int64_t *with_indicator; /* which of them have one */
};

static int collect_numbers(const struct preprocess *preprocess,
                           struct number_columns *numbers)
{
    size_t most = (size_t)preprocess->input_count;
    numbers->fill = mem_alloc_array(most, sizeof(double));
    numbers->shift = mem_alloc_array(most, sizeof(double));
    numbers->scale = mem_alloc_array(most, sizeof(double));
    numbers->with_indicator = mem_alloc_array(most, sizeof(int64_t));
    if (!numbers->fill || !numbers->shift || !numbers->scale || !numbers->with_indicator)
        return ERR_NOMEM;
    for (int i = 0; i < preprocess->input_count; i++) {
        const struct preprocess_column *column = &preprocess->inputs[i];
        if (column->type == COLUMN_CATEGORY)
            continue;
        int64_t at = numbers->count++;
        numbers->fill[at] = column->number.fill;
        numbers->shift[at] = column->number.shift;
        numbers->scale[at] = column->number.scale;
        if (column->indicator)
            numbers->with_indicator[numbers->indicators++] = at;
    }
    return 0;
}

static void release_numbers(struct number_columns *numbers)
{
    free(numbers->fill);
    free(numbers->shift);
    free(numbers->scale);
    free(numbers->with_indicator);
}

static struct onnx_value gather_columns(struct onnx_graph *graph,
                                        const struct onnx_value *x,
                                        const int64_t *columns, size_t count)
{
    struct onnx_value indices = onnx_constant_integers(graph, columns, count);
    onnx_begin(graph, "Gather");
    onnx_input(graph, x);
    onnx_input(graph, &indices);
    onnx_attr_integer(graph, "axis", 1);
    return onnx_end(graph);
}

/* x: [rows, count] -> its features [rows, count], and in *ret_indicators, if there are
 * any, [rows, indicators]. */
static struct onnx_value emit_numbers(struct onnx_graph *graph,
                                      const struct number_columns *numbers,
                                      const struct onnx_value *x,
                                      struct onnx_value *ret_indicators)
{
    int64_t dims[] = {numbers->count};
    size_t bytes = (size_t)numbers->count * sizeof(double);
    struct onnx_value fill =
        onnx_constant(graph, ONNX_DOUBLE, dims, 1, numbers->fill, bytes);
    struct onnx_value shift =
        onnx_constant(graph, ONNX_DOUBLE, dims, 1, numbers->shift, bytes);
    struct onnx_value scale =
        onnx_constant(graph, ONNX_DOUBLE, dims, 1, numbers->scale, bytes);
    struct onnx_value nan = onnx_unary(graph, "IsNaN", x);
    struct onnx_value infinite = onnx_unary(graph, "IsInf", x);
    struct onnx_value missing = onnx_binary(graph, "Or", &nan, &infinite);
    struct onnx_value wide = onnx_cast(graph, x, ONNX_DOUBLE);
    onnx_begin(graph, "Where");
    onnx_input(graph, &missing);
    onnx_input(graph, &fill);
    onnx_input(graph, &wide);
    struct onnx_value filled = onnx_end(graph);
    if (numbers->indicators > 0) {
        struct onnx_value all = onnx_cast(graph, &missing, ONNX_FLOAT);
        *ret_indicators = gather_columns(graph, &all, numbers->with_indicator,
                                         (size_t)numbers->indicators);
    }
    return normalized(graph, &filled, &shift, &scale);
}

/* One feature for each value of a category: [rows, values]. */
static struct onnx_value emit_category(struct onnx_graph *graph,
                                       const struct preprocess_column *column,
                                       const struct onnx_value *x)
{
    int64_t dims[] = {1, (int64_t)column->value_count};
    onnx_begin(graph, "OneHotEncoder");
    onnx_of_ml(graph);
    onnx_input(graph, x);
    onnx_attr_strings(graph, "cats_strings", (const char *const *)column->values,
                      column->value_count);
    onnx_attr_integer(graph, "zeros", 1);
    struct onnx_value apart = onnx_end(graph);
    onnx_declare(graph, &apart, ONNX_FLOAT, dims, 2);
    return onnx_reshape(graph, &apart, dims + 1, 1);
}

/* 1 where no value's feature is set: [rows, 1]. */
static struct onnx_value emit_category_indicator(struct onnx_graph *graph,
                                                 const struct onnx_value *features)
{
    static const int64_t columns[] = {1};
    struct onnx_value axes = onnx_constant_integers(graph, columns, 1);
    struct onnx_value set = onnx_binary(graph, "ReduceSum", features, &axes);
    struct onnx_value one = onnx_constant_float(graph, 1);
    return onnx_binary(graph, "Sub", &one, &set);
}

/* Values side by side that are put together when all are known. */
struct side_by_side {
    struct onnx_value *values;
    size_t count;
};

static struct onnx_value join(struct onnx_graph *graph, const struct side_by_side *parts)
{
    if (parts->count == 1)
        return parts->values[0];
    onnx_begin(graph, "Concat");
    for (size_t i = 0; i < parts->count; i++)
        onnx_input(graph, &parts->values[i]);
    onnx_attr_integer(graph, "axis", 1);
    return onnx_end(graph);
}

/* A table on its way into the graph. The matrix that is made has first the numbers, then
 * their indicators, then each category's values and indicator. */
struct table {
    const struct preprocess *preprocess;
    struct number_columns numbers;
    struct side_by_side raw;  /* inputs that are numbers */
    struct side_by_side made; /* the matrix */
    int64_t *order;           /* of the features: their columns of the matrix */
};

static int open_table(const struct preprocess *preprocess, struct table *table)
{
    size_t columns = (size_t)preprocess->input_count;
    *table = (struct table){.preprocess = preprocess};
    table->raw.values = mem_alloc_array(columns, sizeof(struct onnx_value));
    table->made.values = mem_alloc_array(2 * columns + 2, sizeof(struct onnx_value));
    table->order = mem_alloc_array((size_t)preprocess->feature_count, sizeof(int64_t));
    if (!table->raw.values || !table->made.values || !table->order)
        return ERR_NOMEM;
    return collect_numbers(preprocess, &table->numbers);
}

static void close_table(struct table *table)
{
    release_numbers(&table->numbers);
    free(table->raw.values);
    free(table->made.values);
    free(table->order);
}

/* Which column of the matrix each feature is. True if they differ from 0, 1, 2, …. */
static bool order_features(struct table *table)
{
    int64_t number = 0, indicator = table->numbers.count;
    int64_t category = table->numbers.count + table->numbers.indicators;
    int64_t *next = table->order;
    for (int i = 0; i < table->preprocess->input_count; i++) {
        const struct preprocess_column *column = &table->preprocess->inputs[i];
        if (column->type != COLUMN_CATEGORY) {
            *next++ = number++;
            if (column->indicator)
                *next++ = indicator++;
            continue;
        }
        size_t features = column->value_count + (column->indicator ? 1 : 0);
        for (size_t f = 0; f < features; f++)
            *next++ = category++;
    }
    bool differs = false;
    for (int64_t f = 0; f < table->preprocess->feature_count; f++)
        differs = differs || table->order[f] != f;
    return differs;
}

/* All inputs, in the order of the columns; the categories' features wait for those of
 * the numbers. */
static void emit_columns(struct onnx_graph *graph, struct table *table,
                         const struct model_spec *model)
{
    struct side_by_side *made = &table->made;
    made->count =
        (table->numbers.count > 0 ? 1U : 0U) + (table->numbers.indicators > 0 ? 1U : 0U);
    for (int i = 0; i < table->preprocess->input_count; i++) {
        const struct preprocess_column *column = &table->preprocess->inputs[i];
        struct onnx_value x = column_input(graph, column, model);
        if (column->type != COLUMN_CATEGORY) {
            table->raw.values[table->raw.count++] = x;
            continue;
        }
        struct onnx_value features = emit_category(graph, column, &x);
        made->values[made->count++] = features;
        if (column->indicator)
            made->values[made->count++] = emit_category_indicator(graph, &features);
    }
    if (table->numbers.count > 0) {
        struct onnx_value x = join(graph, &table->raw);
        made->values[0] = emit_numbers(graph, &table->numbers, &x, &made->values[1]);
    }
}

static struct onnx_value emit_table(struct onnx_graph *graph,
                                    const struct preprocess *preprocess,
                                    const struct model_spec *model)
{
    struct table table;
    struct onnx_value features = {{0}};
    if (open_table(preprocess, &table) == 0) {
        emit_columns(graph, &table, model);
        features = join(graph, &table.made);
        if (order_features(&table))
            features = gather_columns(graph, &features, table.order,
                                      (size_t)preprocess->feature_count);
    } else {
        graph->nodes.status = ERR_NOMEM;
    }
    close_table(&table);
    return features;
}

struct onnx_value onnx_emit_inputs(struct onnx_graph *graph,
                                   const struct preprocess *preprocess,
                                   const struct model_spec *model)
{
    struct shape shape = {.rank = 1, .dims = {preprocess->feature_count}};
    struct onnx_value x;
    if (preprocess->kind == DATASET_TABLE) {
        x = emit_table(graph, preprocess, model);
    } else if (preprocess->kind == DATASET_TEXT) {
        x = emit_tokens(graph, preprocess);
    } else {
        x = emit_array(graph, preprocess);
        shape = preprocess->sample_shape;
    }
    return shape_equal(&shape, &model->input)
               ? x
               : onnx_reshape(graph, &x, model->input.dims, (size_t)model->input.rank);
}

/* ---- outputs ---- */

static struct onnx_value emit_softmax(struct onnx_graph *graph,
                                      const struct onnx_value *logits)
{
    onnx_begin(graph, "Softmax");
    onnx_input(graph, logits);
    onnx_attr_integer(graph, "axis", -1);
    return onnx_end_as(graph, "probabilities");
}

/* One logit [rows, 1] to the probabilities of both classes. */
static struct onnx_value emit_pair(struct onnx_graph *graph,
                                   const struct onnx_value *logit)
{
    struct onnx_value opposite = onnx_unary(graph, "Neg", logit);
    struct onnx_value first = onnx_unary(graph, "Sigmoid", &opposite);
    struct onnx_value second = onnx_unary(graph, "Sigmoid", logit);
    onnx_begin(graph, "Concat");
    onnx_input(graph, &first);
    onnx_input(graph, &second);
    onnx_attr_integer(graph, "axis", 1);
    return onnx_end_as(graph, "probabilities");
}

/* logits: [rows, width] */
static void emit_classes(struct onnx_graph *graph, const struct preprocess *preprocess,
                         const struct onnx_value *logits, int64_t width)
{
    int64_t classes[] = {(int64_t)preprocess->class_count};
    struct onnx_value names = onnx_constant_strings(
        graph, (const char *const *)preprocess->classes, preprocess->class_count);
    struct onnx_value probabilities =
        width > 1 ? emit_softmax(graph, logits) : emit_pair(graph, logits);
    onnx_begin(graph, "ArgMax");
    onnx_input(graph, &probabilities);
    onnx_attr_integer(graph, "axis", 1);
    onnx_attr_integer(graph, "keepdims", 0);
    struct onnx_value best = onnx_end(graph);
    onnx_begin(graph, "Gather");
    onnx_input(graph, &names);
    onnx_input(graph, &best);
    onnx_end_as(graph, "label");
    onnx_graph_output(graph, "label", ONNX_STRING, NULL, 0);
    onnx_graph_output(graph, "probabilities", ONNX_FLOAT, classes, 1);
}

static void emit_values(struct onnx_graph *graph, const struct preprocess *preprocess,
                        const struct onnx_value *output, int64_t width)
{
    const struct number_transform *transform = &preprocess->target_number;
    struct onnx_value scale = onnx_constant_double(graph, transform->scale);
    struct onnx_value shift = onnx_constant_double(graph, transform->shift);
    struct onnx_value x = width == 1 ? onnx_reshape(graph, output, NULL, 0) : *output;
    x = onnx_cast(graph, &x, ONNX_DOUBLE);
    x = onnx_binary(graph, "Mul", &x, &scale);
    x = onnx_binary(graph, "Add", &x, &shift);
    const char *name = width == 1 ? "value" : "values";
    onnx_begin(graph, "Cast");
    onnx_input(graph, &x);
    onnx_attr_integer(graph, "to", ONNX_FLOAT);
    onnx_end_as(graph, name);
    onnx_graph_output(graph, name, ONNX_FLOAT, &width, width > 1);
}

void onnx_emit_outputs(struct onnx_graph *graph, const struct preprocess *preprocess,
                       const struct onnx_value *output, const struct shape *shape)
{
    int64_t width = shape_elements(shape);
    if (preprocess->kind == DATASET_TEXT) {
        emit_softmax(graph, output);
        onnx_graph_output(graph, "probabilities", ONNX_FLOAT, shape->dims,
                          (size_t)shape->rank);
    } else if (preprocess->target == TARGET_CATEGORY) {
        emit_classes(graph, preprocess, output, width);
    } else {
        emit_values(graph, preprocess, output, width);
    }
}
