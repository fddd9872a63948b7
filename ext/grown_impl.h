/* Memory that grows by doubling. */
#ifndef FASTCONV_GROWN_H
#define FASTCONV_GROWN_H
#include <stdlib.h>

/* At least `need` bytes at `memory`, or NULL; what was there stays. */
static inline void *fc_grown(void *memory, size_t *capacity, size_t need)
{
    if (memory && need <= *capacity)
        return memory;
    size_t wanted = *capacity * 2 > need ? *capacity * 2 : need;
    void *larger = realloc(memory, wanted);
    if (larger)
        *capacity = wanted;
    return larger;
}
#endif
