#include "weights_impl.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double REACH[FC_FILTERS] = {0.5, 1, 2, 3};

static double sinc(double x)
{
    return x == 0 ? 1 : sin(x * M_PI) / (x * M_PI);
}

/* The filter's value so far from its middle. */
static double filter_at(int filter, double x)
{
    double d = fabs(x);
    switch (filter) {
    case FC_BOX: /* half open, so that a pixel between two belongs to one of them */
        return x > -0.5 && x <= 0.5;
    case FC_BILINEAR:
        return d < 1 ? 1 - d : 0;
    case FC_BICUBIC: /* Keys's, a = -1/2 */
        if (d < 1)
            return (1.5 * d - 2.5) * d * d + 1;
        return d < 2 ? ((-0.5 * d + 2.5) * d - 4) * d + 2 : 0;
    default:
        return d < 3 ? sinc(x) * sinc(x / 3) : 0;
    }
}

void fc_axis_free(fc_axis *axis)
{
    free(axis->start);
    free(axis->offset);
    free(axis->k);
    memset(axis, 0, sizeof *axis);
}

static int32_t fixed(double weight)
{
    return (int32_t)(weight * (1 << FC_FRACTION_BITS) + (weight < 0 ? -0.5 : 0.5));
}

int fc_axis_make(fc_axis *axis, int32_t in, int32_t out, int filter, float low, float high)
{
    if (axis->k && axis->in == in && axis->out == out && axis->filter == filter &&
        axis->low == low && axis->high == high)
        return 0;
    fc_axis_free(axis);
    double scale = (double)(high - low) / out;
    double stretch = scale > 1 ? scale : 1; /* shrinking, the filter is as wide as a new pixel */
    double reach = REACH[filter] * stretch, squeeze = 1 / stretch;
    size_t n = (size_t)out, most = 2 * (size_t)ceil(reach) + 1;
    if (most > (size_t)in)
        most = (size_t)in;
    axis->start = malloc(n * sizeof *axis->start);
    axis->offset = malloc((n + 1) * sizeof *axis->offset);
    axis->k = malloc(n * most * sizeof *axis->k);
    double *weights = malloc(most * sizeof *weights);
    if (!axis->start || !axis->offset || !axis->k || !weights) {
        free(weights);
        fc_axis_free(axis);
        return -1;
    }
    size_t filled = 0;
    for (size_t i = 0; i < n; i++) {
        double middle = low + ((double)i + 0.5) * scale, total = 0;
        int64_t first = (int64_t)(middle - reach + 0.5), end = (int64_t)(middle + reach + 0.5);
        if (first < 0)
            first = 0;
        if (end > in)
            end = in;
        size_t taps = (size_t)(end - first);
        for (size_t t = 0; t < taps; t++) {
            weights[t] = filter_at(filter, ((double)t + (double)first - middle + 0.5) * squeeze);
            total += weights[t];
        }
        axis->start[i] = (size_t)first;
        axis->offset[i] = filled;
        for (size_t t = 0; t < taps; t++)
            axis->k[filled++] = fixed(total != 0 ? weights[t] / total : weights[t]);
        if (taps > axis->taps_max)
            axis->taps_max = taps;
    }
    axis->offset[n] = filled;
    free(weights);
    axis->in = in, axis->out = out, axis->filter = filter, axis->low = low, axis->high = high;
    return 0;
}
