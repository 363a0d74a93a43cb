#include "core/base/size.h"

#include <stdlib.h>

void *bp_new_array(size_t n, size_t size) {
    return calloc(n ? n : 1, size ? size : 1);
}

bool bp_grow(void **array, size_t *capacity, size_t need, size_t size) {
    if (need <= *capacity) return true;
    size_t room = *capacity > SIZE_MAX / 2 ? need : BP_MAX(need, *capacity * 2);
    room = BP_MAX(room, 16);
    if (room > SIZE_MAX / size) return false;
    void *grown = realloc(*array, room * size);
    if (!grown) return false;
    *array = grown;
    *capacity = room;
    return true;
}
