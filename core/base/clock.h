/* Time. */
#ifndef BP_BASE_CLOCK_H
#define BP_BASE_CLOCK_H

/* Seconds of a clock that never goes back. Any thread. */
double bp_now(void);

#endif
