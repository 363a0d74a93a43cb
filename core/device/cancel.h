/* The wish to stop long work, as backends see it through bp_host.cancelled. */
#ifndef BP_DEVICE_CANCEL_H
#define BP_DEVICE_CANCEL_H

/* Set (1) or take back (0) the wish. Any thread; a signal handler may call it. */
void bp_cancel_set(int wanted);
int bp_cancel_wanted(void);

#endif
