// SPDX-License-Identifier: GPL-2.0-only
/*
 * Turns at a buffer on the placement layer: who may have it mapped, and when.
 *
 * A turn is shared, with all others that have the buffer mapped as far as the
 * policy on direction allows it, or exclusive: nobody has it mapped.  Turns are
 * given in the order in which they are asked for.  So what comes while somebody
 * waits for an exclusive turn waits behind it (guide, NOTES; contract N7), and
 * readers that keep coming do not starve a writer.
 *
 * Who has a shared turn and finds that the storage must move gives it up for an
 * exclusive one.  That waits at the head of the queue, behind others of its kind
 * only: nobody waits twice for the same map.  When one of them has been served, the
 * others get shared turns again: the storage may serve them now.
 *
 * Who waits for whom: a shared turn waits for those before it in the queue, for an
 * exclusive one, and, with ONE_WRITER, for the unmap of what does not go together
 * with it.  An exclusive turn waits for the unmap of everything.  An importer that
 * waits for a turn while a mapping of its own is outstanding may therefore wait
 * for itself: that ends with a signal or its deadline.
 *
 * Turns of kernel importers (kernel-out.c) are set apart: whoever of them asks may hold
 * a lock that another one needs to unmap.  While one has a turn, whatever is in the queue
 * waits for that, directly or behind somebody who does.  So then none of them is in the
 * queue: it gets -EBUSY instead, or its turn if it is a vmap, when it asks, or when the
 * other gets its turn.
 *
 * Who wakes: everything that gives up a turn, or leaves the queue, hands the turn
 * over to whom it now fits, in order, before it drops &dmabuf.lock.  A waiter that
 * is woken by the hand-over has its turn; none has to look again.
 */
#include <linux/sched.h>

#include "internal.h"
#include "trace.h"

static bool dmabuf_direction_writes(enum dma_data_direction direction)
{
	return direction != DMA_TO_DEVICE;
}

/* A shared turn; leaving the queue aside. */
static bool dmabuf_direction_fits_locked(const struct dmabuf_placement *p,
					 enum dma_data_direction direction)
{
	if (p->exclusive || !p->storage)
		return false;
	if (!(p->policy & DMABUF_PLACEMENT_ONE_WRITER))
		return true;
	return !p->writers && !(dmabuf_direction_writes(direction) && p->readers);
}

/* The same of any turn. */
static bool dmabuf_turn_fits_locked(const struct dmabuf_placement *p,
				    const struct dmabuf_turn *turn)
{
	if (turn->exclusive || !p->storage)
		return !p->exclusive && !p->readers && !p->writers;
	return dmabuf_direction_fits_locked(p, turn->direction);
}

static void dmabuf_turn_count_locked(struct dmabuf_placement *p,
				     enum dma_data_direction direction, bool kernel)
{
	if (dmabuf_direction_writes(direction))
		p->writers++;
	else
		p->readers++;
	p->kernel += kernel;
}

static void dmabuf_turn_uncount_locked(struct dmabuf_placement *p,
				       enum dma_data_direction direction, bool kernel)
{
	if (dmabuf_direction_writes(direction))
		p->writers--;
	else
		p->readers--;
	p->kernel -= kernel;
}

/* Without storage a map comes to take some, so its turn is exclusive. */
static void dmabuf_turn_give_locked(struct dmabuf_placement *p, struct dmabuf_turn *turn)
{
	if (!p->storage)
		turn->exclusive = true;
	if (turn->exclusive)
		p->exclusive = true;
	else
		dmabuf_turn_count_locked(p, turn->direction, turn->kernel);
}

static void dmabuf_turn_wake_locked(struct dmabuf_placement *p, struct dmabuf_turn *turn)
{
	list_del_init(&turn->node);
	p->waiting--;
	/* The turn is on its owner's stack, which may go as soon as it is complete. */
	complete(&turn->granted);
}

/*
 * Is it a vmap of a kernel importer, which must not wait?  It is no device, and can be beside
 * whoever has the buffer; and the kernel warns of a vmap that fails.  What waits in the queue
 * waits for the kernel importer in any case.
 */
static bool dmabuf_turn_passes_locked(const struct dmabuf_placement *p,
				      const struct dmabuf_turn *turn)
{
	return turn->kernel && !turn->attachment && p->kernel;
}

/* Returns true if there were any. */
static bool dmabuf_turns_refuse_kernel_locked(struct dmabuf_placement *p)
{
	struct dmabuf_turn *turn, *next;
	bool any = false;

	list_for_each_entry_safe(turn, next, &p->turns, node) {
		if (!turn->kernel)
			continue;
		if (dmabuf_turn_passes_locked(p, turn))
			dmabuf_turn_give_locked(p, turn);
		else
			turn->error = -EBUSY;
		dmabuf_turn_wake_locked(p, turn);
		any = true;
	}
	return any;
}

static void dmabuf_turns_run_locked(struct dmabuf *dmabuf)
{
	struct dmabuf_placement *p = dmabuf->placement;
	struct dmabuf_turn *turn;

	lockdep_assert_held(&dmabuf->lock);
	do {
		while ((turn = list_first_entry_or_null(&p->turns, struct dmabuf_turn, node)) &&
		       dmabuf_turn_fits_locked(p, turn)) {
			dmabuf_turn_give_locked(p, turn);
			dmabuf_turn_wake_locked(p, turn);
		}
	} while (p->kernel && dmabuf_turns_refuse_kernel_locked(p));
}

/*
 * Returns 0 if the turn is given, -EINPROGRESS if it is in the queue, before @next,
 * or an error.
 */
static int dmabuf_turn_ask_locked(struct dmabuf_turn *turn, struct list_head *next, long timeout)
{
	struct dmabuf_placement *p = turn->dmabuf->placement;

	if (turn->attachment && turn->attachment->stopped)
		return -ENODEV;
	if (dmabuf_turn_passes_locked(p, turn) ||
	    (p->turns.next == next && dmabuf_turn_fits_locked(p, turn))) {
		dmabuf_turn_give_locked(p, turn);
		return 0;
	}
	if (turn->kernel && p->kernel)
		return -EBUSY;
	if (!timeout)
		return -EAGAIN;
	init_completion(&turn->granted);
	list_add_tail(&turn->node, next);
	p->waiting++;
	if (!turn->stalled)
		p->info.stalls++;
	turn->stalled = true;
	if (turn->exclusive)
		trace_dmabuf_placement_drain(turn->dmabuf, turn->attachment, 0, &turn->miss);
	trace_dmabuf_placement_wait(turn->dmabuf, turn->attachment, turn->direction, p->readers,
				    p->writers);
	return -EINPROGRESS;
}

static int dmabuf_turn_wait(struct dmabuf_turn *turn, long *timeout)
{
	/* Of a vmap that fails for a signal the kernel would warn, too. */
	long left = turn->kernel && !turn->attachment ?
		wait_for_completion_killable_timeout(&turn->granted, *timeout) :
		wait_for_completion_interruptible_timeout(&turn->granted, *timeout);
	struct dmabuf *dmabuf = turn->dmabuf;
	int ret = 0;

	if (left > 0) {
		*timeout = left;
		return turn->error;
	}
	spin_lock(&dmabuf->lock);
	/* Off the queue: it was given at the last moment, and is taken. */
	if (!list_empty(&turn->node)) {
		ret = left ? -EINTR : -ETIMEDOUT;
		list_del_init(&turn->node);
		dmabuf->placement->waiting--;
		dmabuf_turns_run_locked(dmabuf);
	} else {
		ret = turn->error;
		*timeout = left ? *timeout : 1;
	}
	spin_unlock(&dmabuf->lock);
	return ret;
}

/**
 * dmabuf_turn_try - take a shared turn if it is there for the taking
 * @attachment: whose
 * @direction: of the mapping
 *
 * What most maps find.  The inverse is dmabuf_turn_end().
 *
 * Context: process context; takes &dmabuf.lock.
 * Return: false if there is something to wait for, no storage, none that is known to serve the
 * device, or the attachment is stopped: dmabuf_turn_begin() comes next.
 */
bool dmabuf_turn_try(struct dmabuf_attachment *attachment, enum dma_data_direction direction)
{
	struct dmabuf *dmabuf = attachment->dmabuf;
	struct dmabuf_placement *p = dmabuf->placement;
	bool taken;

	spin_lock(&dmabuf->lock);
	taken = !attachment->stopped && attachment->served == p->number &&
		list_empty(&p->turns) && dmabuf_direction_fits_locked(p, direction);
	if (taken)
		dmabuf_turn_count_locked(p, direction, attachment->kernel);
	spin_unlock(&dmabuf->lock);
	return taken;
}

/**
 * dmabuf_turn_begin - take a turn that is shared, or exclusive if there is no storage
 * @turn: with &dmabuf_turn.dmabuf, .attachment, .direction and .kernel set
 * @timeout: jiffies; 0: do not wait; what is left is written back
 *
 * The inverse is dmabuf_turn_end() if it is shared, else dmabuf_turn_cancel(),
 * after dmabuf_turn_share() the former.
 *
 * Context: process context; may sleep; takes &dmabuf.lock.
 * Return: 0, -EAGAIN, -EINTR, -ETIMEDOUT, -ENODEV (dmabuf_attachment_stop()) or -EBUSY
 * (a kernel importer would wait for another one).
 */
int dmabuf_turn_begin(struct dmabuf_turn *turn, long *timeout)
{
	struct dmabuf *dmabuf = turn->dmabuf;
	int ret;

	spin_lock(&dmabuf->lock);
	ret = dmabuf_turn_ask_locked(turn, &dmabuf->placement->turns, *timeout);
	spin_unlock(&dmabuf->lock);
	return ret == -EINPROGRESS ? dmabuf_turn_wait(turn, timeout) : ret;
}

/* Where a turn goes that was shared and is to be exclusive: behind others like it. */
static struct list_head *dmabuf_turns_behind_movers_locked(struct dmabuf_placement *p)
{
	struct dmabuf_turn *turn;

	list_for_each_entry(turn, &p->turns, node)
		if (!turn->exclusive)
			return &turn->node;
	return &p->turns;
}

/**
 * dmabuf_turn_drain - give up a shared turn for an exclusive one
 * @turn: shared, with &dmabuf_turn.miss set
 * @timeout: jiffies; 0: do not wait; what is left is written back
 *
 * Context: process context; may sleep; takes &dmabuf.lock.
 * Return: 0: &dmabuf_turn.exclusive, the storage is as it was; or shared again, after
 * somebody else's was exclusive.  An error as of dmabuf_turn_begin(): the turn is over.
 */
int dmabuf_turn_drain(struct dmabuf_turn *turn, long *timeout)
{
	struct dmabuf *dmabuf = turn->dmabuf;
	struct dmabuf_placement *p = dmabuf->placement;
	int ret;

	spin_lock(&dmabuf->lock);
	dmabuf_turn_uncount_locked(p, turn->direction, turn->kernel);
	turn->exclusive = true;
	ret = dmabuf_turn_ask_locked(turn, dmabuf_turns_behind_movers_locked(p), *timeout);
	/* The shared turn that is no more may be what the first one waited for. */
	if (ret)
		dmabuf_turns_run_locked(dmabuf);
	spin_unlock(&dmabuf->lock);
	return ret == -EINPROGRESS ? dmabuf_turn_wait(turn, timeout) : ret;
}

/**
 * dmabuf_turn_share - let others in again, and keep a shared turn
 * @turn: exclusive; there is storage now
 *
 * Context: process context; takes &dmabuf.lock.
 */
void dmabuf_turn_share(struct dmabuf_turn *turn)
{
	struct dmabuf *dmabuf = turn->dmabuf;
	struct dmabuf_placement *p = dmabuf->placement;
	struct dmabuf_turn *waiting;

	spin_lock(&dmabuf->lock);
	p->exclusive = false;
	turn->exclusive = false;
	list_for_each_entry(waiting, &p->turns, node)
		waiting->exclusive = false;
	dmabuf_turn_count_locked(p, turn->direction, turn->kernel);
	dmabuf_turns_run_locked(dmabuf);
	spin_unlock(&dmabuf->lock);
	wake_up_all(&p->settled);
}

/**
 * dmabuf_turn_end - end a shared turn
 * @dmabuf: the buffer
 * @direction: of the mapping
 * @kernel: as of the turn
 *
 * Context: process context; takes &dmabuf.lock.
 */
void dmabuf_turn_end(struct dmabuf *dmabuf, enum dma_data_direction direction, bool kernel)
{
	spin_lock(&dmabuf->lock);
	dmabuf_turn_uncount_locked(dmabuf->placement, direction, kernel);
	dmabuf_turns_run_locked(dmabuf);
	spin_unlock(&dmabuf->lock);
}

/**
 * dmabuf_turns_stop - let no map of an attachment wait
 * @attachment: &dmabuf_attachment.stopped is set by this
 *
 * Context: process context; takes &dmabuf.lock.
 */
void dmabuf_turns_stop(struct dmabuf_attachment *attachment)
{
	struct dmabuf *dmabuf = attachment->dmabuf;
	struct dmabuf_turn *turn, *next;

	spin_lock(&dmabuf->lock);
	WRITE_ONCE(attachment->stopped, true);
	list_for_each_entry_safe(turn, next, &dmabuf->placement->turns, node) {
		if (turn->attachment != attachment)
			continue;
		turn->error = -ENODEV;
		dmabuf_turn_wake_locked(dmabuf->placement, turn);
	}
	dmabuf_turns_run_locked(dmabuf);
	spin_unlock(&dmabuf->lock);
}

/**
 * dmabuf_turn_exclusive - take an exclusive turn for no mapping, if there is no storage
 * @dmabuf: the buffer
 *
 * For a page fault: it waits only for who takes storage now, never for an unmap.
 * The inverse is dmabuf_turn_cancel().
 *
 * Context: process context; may sleep; takes &dmabuf.lock.
 * Return: 1: it has the turn, 0: there is storage, or -EINTR: the task is being killed.
 */
int dmabuf_turn_exclusive(struct dmabuf *dmabuf)
{
	struct dmabuf_placement *p = dmabuf->placement;
	int ret;

	for (;;) {
		spin_lock(&dmabuf->lock);
		ret = !p->storage;
		/* Without storage nobody waits whose turn it could be. */
		if (!ret || !p->exclusive) {
			p->exclusive |= ret;
			spin_unlock(&dmabuf->lock);
			return ret;
		}
		spin_unlock(&dmabuf->lock);
		if (wait_event_killable(p->settled,
					!READ_ONCE(p->exclusive) || READ_ONCE(p->storage)))
			return -EINTR;
	}
}

/**
 * dmabuf_turn_cancel - let others in again, and have no turn any more
 * @dmabuf: of which the caller has an exclusive turn
 *
 * Context: process context; takes &dmabuf.lock.
 */
void dmabuf_turn_cancel(struct dmabuf *dmabuf)
{
	struct dmabuf_placement *p = dmabuf->placement;

	spin_lock(&dmabuf->lock);
	p->exclusive = false;
	dmabuf_turns_run_locked(dmabuf);
	spin_unlock(&dmabuf->lock);
	wake_up_all(&p->settled);
}
