// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guide's NOTES: storage that is taken late and moves when it must.
 *
 * A map takes a turn (turn.c).  If there is no storage yet, or none that serves
 * its device, it gets an exclusive turn and finds other, for the needs of all that
 * are attached.  Whatever fails on the way, the buffer is as before: the new
 * storage is the buffer's only when the bytes are in it, and the old is freed
 * only after that.
 *
 * How it can fail, and what then:
 *	signal or deadline in the wait	the turn passes to the next
 *	no memory, move op failed	the asker has the error, all others go on
 *	the asker is killed		in a wait: as a signal; later: once it is done
 *	a holder is killed		its importer unmaps: the drain goes on
 *	the exporter's module goes	it cannot, while there is a buffer
 */
#include <linux/bitops.h>
#include <linux/device.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "internal.h"
#include "trace.h"

static const struct dmabuf_placement_ops *dmabuf_placement_ops(const struct dmabuf *dmabuf)
{
	return dmabuf->ops->placement;
}

static bool dmabuf_placement_is_fixed(const struct dmabuf *dmabuf)
{
	return dmabuf->placement->policy & DMABUF_PLACEMENT_FIXED ||
	       !dmabuf_placement_ops(dmabuf)->move;
}

int dmabuf_placement_create(struct dmabuf *dmabuf)
{
	struct dmabuf_placement *p = kzalloc(sizeof(*p), GFP_KERNEL_ACCOUNT);

	if (!p)
		return -ENOMEM;
	init_rwsem(&p->in_place);
	init_waitqueue_head(&p->settled);
	INIT_LIST_HEAD(&p->turns);
	dmabuf->placement = p;
	return 0;
}

/* Nobody has the buffer any more, but for readers of the live table. */
void dmabuf_placement_release(struct dmabuf *dmabuf)
{
	struct dmabuf_placement *p = dmabuf->placement;
	struct dmabuf_storage *storage;

	spin_lock(&dmabuf->lock);
	storage = p->storage;
	p->storage = NULL;
	spin_unlock(&dmabuf->lock);
	if (storage)
		dmabuf_placement_ops(dmabuf)->free(dmabuf, storage);
}

/**
 * dmabuf_placement_set_policy - choose what a buffer allows
 * @dmabuf: a buffer of an exporter on the placement layer, not handed out yet
 * @policy: DMABUF_PLACEMENT_FIXED and so on, or 0, which is what it has at first
 *
 * Context: process context; takes &dmabuf.lock.
 * Return: 0, or
 * * -EINVAL: the exporter is not on the layer, or there is no such policy
 * * -EBUSY: there is storage, or a device is attached
 */
int dmabuf_placement_set_policy(struct dmabuf *dmabuf, u32 policy)
{
	struct dmabuf_placement *p = dmabuf->placement;
	int ret = 0;

	if (!p || policy & ~DMABUF_PLACEMENT_POLICIES)
		return -EINVAL;
	spin_lock(&dmabuf->lock);
	if (p->storage || p->exclusive || dmabuf->nr_attachments)
		ret = -EBUSY;
	else
		p->policy = policy;
	spin_unlock(&dmabuf->lock);
	return ret;
}
EXPORT_SYMBOL_NS_GPL(dmabuf_placement_set_policy, DMABUF_NS);

/*
 * A device, or a vmap (@attachment is NULL), is refused: for the log, a tracepoint and
 * dmabuf_placement_query().  @what is asked of the buffer; @why is what @miss does not say.
 */
static void dmabuf_placement_refuse(struct dmabuf *dmabuf, struct dmabuf_attachment *attachment,
				    const char *what, int error, const struct dmabuf_miss *miss,
				    const char *why)
{
	struct dmabuf_placement_reason *refusal = &dmabuf->placement->info.refusal;
	const char *device = dmabuf_asker_name(attachment);

	spin_lock(&dmabuf->lock);
	refusal->error = error;
	strscpy(refusal->device, device, sizeof(refusal->device));
	refusal->miss = *miss;
	spin_unlock(&dmabuf->lock);
	trace_dmabuf_placement_refuse(dmabuf, attachment, error, miss);

	if (miss->which == DMABUF_CONSTRAINT_NONE)
		pr_info_ratelimited("%s: %s buffer %llu (%zu bytes) refused, error %d: %s\n",
				    device, what, dmabuf->id, dmabuf->size, error, why);
	else
		pr_info_ratelimited("%s: %s buffer %llu (%zu bytes) refused, error %d: %s: device allows 0x%llx, storage has 0x%llx: %s\n",
				    device, what, dmabuf->id, dmabuf->size, error,
				    dmabuf_constraint_name(miss->which), miss->allowed,
				    miss->actual, why);
}

/* The caller has a turn, or the storage is fixed: it stays. */
static bool dmabuf_storage_serves(struct dmabuf_attachment *attachment,
				  struct dmabuf_storage *storage, struct dmabuf_miss *miss)
{
	const struct dmabuf_placement_ops *ops = dmabuf_placement_ops(attachment->dmabuf);

	if (attachment->contiguous && storage->chunks > 1) {
		miss->which = DMABUF_CONSTRAINT_MAX_SEGS;
		miss->allowed = 1;
		miss->actual = storage->chunks;
		return false;
	}
	if (ops->serves)
		return ops->serves(attachment, storage, miss);
	return dmabuf_constraints_cover(&storage->needs, &attachment->needs, miss);
}

/* Changes with each attachment, each new storage, and the first map. */
static u32 dmabuf_placement_version_locked(const struct dmabuf *dmabuf)
{
	const struct dmabuf_placement *p = dmabuf->placement;

	return dmabuf->last_attachment_id + p->number + p->mapped;
}

/*
 * May the attachment go on the list?  The answer holds as long as @seen does.
 *
 * Storage that is being allocated at this moment does not count: if it does not
 * serve who is admitted meanwhile, it is freed and allocated anew.
 */
int dmabuf_placement_admit(struct dmabuf_attachment *attachment, u32 *seen)
{
	struct dmabuf *dmabuf = attachment->dmabuf;
	const struct dmabuf_placement_ops *ops = dmabuf_placement_ops(dmabuf);
	bool fixed = dmabuf_placement_is_fixed(dmabuf), late;
	struct dmabuf_placement *p = dmabuf->placement;
	struct dmabuf_miss miss = {}, here = {};
	struct dmabuf_constraints needs;
	struct dmabuf_storage *storage;

	spin_lock(&dmabuf->lock);
	*seen = dmabuf_placement_version_locked(dmabuf);
	late = p->mapped && p->policy & DMABUF_PLACEMENT_NO_LATE_ATTACH;
	storage = p->storage;
	dmabuf_constraints_collate_locked(dmabuf, &needs);
	spin_unlock(&dmabuf->lock);

	if (late) {
		dmabuf_placement_refuse(dmabuf, attachment, "attach to", -EBUSY, &miss,
					"it has been mapped, and takes no more devices");
		return -EBUSY;
	}
	/* What is fixed stays as long as the buffer does. */
	fixed = fixed && storage;
	if (fixed && dmabuf_storage_serves(attachment, storage, &here))
		return 0;
	dmabuf_constraints_merge(&needs, &attachment->needs);
	if (ops->possible && !ops->possible(attachment, &needs, &miss)) {
		dmabuf_placement_refuse(dmabuf, attachment, "attach to", -EOPNOTSUPP, &miss,
					"no memory of the exporter serves all devices");
		return -EOPNOTSUPP;
	}
	if (fixed) {
		dmabuf_placement_refuse(dmabuf, attachment, "attach to", -EBUSY, &here,
					"it may not move");
		return -EBUSY;
	}
	return 0;
}

bool dmabuf_placement_admitted_locked(struct dmabuf *dmabuf, u32 seen)
{
	lockdep_assert_held(&dmabuf->lock);
	return !dmabuf->placement || dmabuf_placement_version_locked(dmabuf) == seen;
}

/*
 * Memory for all that are attached when it is there: who was admitted meanwhile
 * counts, too.  The first storage becomes the buffer's at once.
 */
static struct dmabuf_storage *dmabuf_storage_alloc(struct dmabuf *dmabuf,
						   struct dmabuf_attachment *asker,
						   struct dmabuf_miss *miss)
{
	const struct dmabuf_placement_ops *ops = dmabuf_placement_ops(dmabuf);
	struct dmabuf_placement *p = dmabuf->placement;
	struct dmabuf_constraints needs, now;
	struct dmabuf_storage *storage;
	struct dmabuf_miss stricter;
	bool done;

	dmabuf_constraints_collate(dmabuf, &needs);
	do {
		storage = ops->alloc(dmabuf, &needs, p->storage);
		if (IS_ERR_OR_NULL(storage))
			return storage ?: ERR_PTR(-ENOMEM);
		storage->needs = needs;
		if (asker && !dmabuf_storage_serves(asker, storage, miss)) {
			ops->free(dmabuf, storage);
			return ERR_PTR(-EOPNOTSUPP);
		}

		spin_lock(&dmabuf->lock);
		dmabuf_constraints_collate_locked(dmabuf, &now);
		done = dmabuf_constraints_cover(&needs, &now, &stricter);
		if (done) {
			p->info.allocs++;
			if (!p->storage) {
				p->storage = storage;
				p->number++;
			}
		}
		spin_unlock(&dmabuf->lock);
		if (!done) {
			/* Stricter each time, so it ends even if devices come and go. */
			dmabuf_constraints_merge(&needs, &now);
			ops->free(dmabuf, storage);
		}
	} while (!done);

	trace_dmabuf_placement_alloc(dmabuf, storage);
	return storage;
}

static void dmabuf_placement_note_move(struct dmabuf_attachment *asker,
				       const struct dmabuf_storage *from,
				       const struct dmabuf_storage *to,
				       const struct dmabuf_miss *miss, u64 drain_ns)
{
	struct dmabuf_placement_info *info = &asker->dmabuf->placement->info;
	struct dmabuf_placement_move *move = &info->move;

	info->moves++;
	info->moved_bytes += asker->dmabuf->size;
	info->drain_ns += drain_ns;

	move->attachment = asker->id;
	strscpy(move->device, dev_name(asker->dev), sizeof(move->device));
	move->miss = *miss;
	move->bytes = asker->dmabuf->size;
	move->drain_ns = drain_ns;
	move->from = from->kind;
	move->from_bits = fls64(from->last);
	move->from_chunks = from->chunks;
	move->to = to->kind;
	move->to_bits = fls64(to->last);
	move->to_chunks = to->chunks;
	trace_dmabuf_placement_move(asker, move);
}

/*
 * With an exclusive turn: no device has the buffer mapped.  The CPU has, until zap;
 * from then until the bytes are in their new place each access waits in its fault.
 */
static int dmabuf_storage_move(struct dmabuf_attachment *asker, const struct dmabuf_miss *miss,
			       u64 drain_ns)
{
	struct dmabuf *dmabuf = asker->dmabuf;
	const struct dmabuf_placement_ops *ops = dmabuf_placement_ops(dmabuf);
	struct dmabuf_placement *p = dmabuf->placement;
	struct dmabuf_storage *from = p->storage, *to;
	struct dmabuf_miss still = *miss;
	int ret;

	to = dmabuf_storage_alloc(dmabuf, asker, &still);
	if (IS_ERR(to)) {
		/* A killed task is refused nothing. */
		if (to != ERR_PTR(-EINTR))
			dmabuf_placement_refuse(dmabuf, asker, "move of", PTR_ERR(to), &still,
						"found no other memory, it stays where it is");
		return PTR_ERR(to);
	}

	down_write(&p->in_place);
	/* Page table entries made through the fd; the file is alive, the asker holds it. */
	if (dmabuf->ops->mmap)
		unmap_mapping_range(dmabuf->file->f_mapping, 0, 0, 1);
	if (ops->zap)
		ops->zap(dmabuf);
	ret = ops->move(dmabuf, from, to);
	if (!ret) {
		spin_lock(&dmabuf->lock);
		p->storage = to;
		p->number++;
		dmabuf_placement_note_move(asker, from, to, miss, drain_ns);
		spin_unlock(&dmabuf->lock);
	}
	up_write(&p->in_place);

	if (ret) {
		ops->free(dmabuf, to);
		dmabuf_placement_refuse(dmabuf, asker, "move of", ret, miss,
					"the exporter failed to, it stays where it is");
		return ret;
	}
	ops->free(dmabuf, from);
	return 0;
}

static void dmabuf_placement_count_failure(struct dmabuf *dmabuf)
{
	spin_lock(&dmabuf->lock);
	dmabuf->placement->info.failures++;
	spin_unlock(&dmabuf->lock);
}

/* With a shared turn, which keeps the storage: does it serve the device? */
static bool dmabuf_attachment_is_served(struct dmabuf_attachment *attachment,
					struct dmabuf_miss *miss)
{
	struct dmabuf_placement *p = attachment->dmabuf->placement;

	/* Another map of the same attachment may write the same number. */
	if (READ_ONCE(attachment->served) == p->number)
		return true;
	if (!dmabuf_storage_serves(attachment, p->storage, miss))
		return false;
	WRITE_ONCE(attachment->served, p->number);
	return true;
}

/*
 * The turn is exclusive, and shared on success; otherwise it is over.  What kernel importers
 * have unmapped their devices may still use, until their fences are signalled.
 */
static int dmabuf_turn_move(struct dmabuf_turn *turn, u64 drain_ns, long timeout)
{
	struct dmabuf_attachment *asker = turn->attachment;
	struct dmabuf *dmabuf = turn->dmabuf;
	int ret = dmabuf_kernel_wait_idle(dmabuf, timeout);

	if (ret == -ETIMEDOUT || (ret == -EAGAIN && turn->kernel))
		dmabuf_placement_refuse(dmabuf, asker, "move of", -ETIMEDOUT, &turn->miss,
					"it has fences that are not signalled, it stays where it is");
	if (!ret)
		ret = dmabuf_storage_move(asker, &turn->miss, drain_ns);
	if (ret) {
		if (ret != -EAGAIN)
			dmabuf_placement_count_failure(dmabuf);
		dmabuf_turn_cancel(dmabuf);
		return ret;
	}
	WRITE_ONCE(asker->served, dmabuf->placement->number);
	dmabuf_turn_share(turn);
	return 0;
}

/* Why a kernel importer has to go without a turn, of which its user sees an errno at best. */
static void dmabuf_turn_explain(const struct dmabuf_turn *turn, int error)
{
	const char *why;

	if (!turn->kernel)
		return;
	if (error == -EBUSY)
		why = "another kernel importer has it mapped, and must not be waited for";
	else if (error == -ETIMEDOUT || error == -EAGAIN)
		why = "others did not unmap it in time (kernel_wait_ms)";
	else
		return;
	if (error == -EAGAIN)
		error = -EBUSY;	/* see dmabuf_map_kernel() */
	dmabuf_placement_refuse(turn->dmabuf, turn->attachment, "map of", error, &turn->miss, why);
}

/*
 * With a shared turn: see to it that the storage serves the device.  On success the
 * turn is shared, and it does; otherwise the turn is over.
 */
static int dmabuf_turn_serve(struct dmabuf_turn *turn, long *timeout)
{
	struct dmabuf_attachment *asker = turn->attachment;
	struct dmabuf *dmabuf = asker->dmabuf;
	u64 start;
	int ret;

	/* Each round but the first is for a move of somebody else. */
	while (!dmabuf_attachment_is_served(asker, &turn->miss)) {
		if (dmabuf_placement_is_fixed(dmabuf)) {
			dmabuf_turn_end(dmabuf, turn->direction, turn->kernel);
			dmabuf_placement_refuse(dmabuf, asker, "map of", -EBUSY, &turn->miss,
						"it may not move");
			return -EBUSY;
		}
		start = ktime_get_ns();
		ret = dmabuf_turn_drain(turn, timeout);
		dmabuf_turn_explain(turn, ret);
		if (ret) {
			if (ret != -EAGAIN)
				dmabuf_placement_count_failure(dmabuf);
			return ret;
		}
		if (turn->exclusive)
			return dmabuf_turn_move(turn, ktime_get_ns() - start, *timeout);
	}
	return 0;
}

/* The first map, or vmap.  On success the turn is shared; otherwise it is over. */
static int dmabuf_turn_populate(struct dmabuf_turn *turn)
{
	struct dmabuf_attachment *asker = turn->attachment;
	struct dmabuf *dmabuf = turn->dmabuf;
	struct dmabuf_miss miss = {};
	struct dmabuf_storage *storage = dmabuf_storage_alloc(dmabuf, asker, &miss);

	if (IS_ERR(storage)) {
		dmabuf_turn_cancel(dmabuf);
		if (storage != ERR_PTR(-EINTR))
			dmabuf_placement_refuse(dmabuf, asker, "map of", PTR_ERR(storage), &miss,
						"found no memory for it");
		return PTR_ERR(storage);
	}
	if (asker)
		WRITE_ONCE(asker->served, dmabuf->placement->number);
	dmabuf_turn_share(turn);
	return 0;
}

/* Takes a shared turn at storage that serves the asker, if that is a device. */
static int dmabuf_turn_take(struct dmabuf_turn *turn, long timeout)
{
	int ret = dmabuf_turn_begin(turn, &timeout);

	dmabuf_turn_explain(turn, ret);
	if (!ret && turn->exclusive)
		return dmabuf_turn_populate(turn);
	if (!ret && turn->attachment)
		ret = dmabuf_turn_serve(turn, &timeout);
	return ret;
}

/* The same for a device, when there is more to it than dmabuf_turn_try() does. */
static noinline int dmabuf_turn_wait_for(struct dmabuf_attachment *attachment,
					 enum dma_data_direction direction, long timeout)
{
	struct dmabuf_turn turn = {
		.dmabuf = attachment->dmabuf,
		.attachment = attachment,
		.direction = direction,
		.kernel = attachment->kernel,
	};

	return dmabuf_turn_take(&turn, timeout);
}

static noinline void dmabuf_placement_refuse_map(struct dmabuf_attachment *attachment)
{
	struct dmabuf_miss none = {};

	dmabuf_placement_refuse(attachment->dmabuf, attachment, "map of", -EOPNOTSUPP, &none,
				"the exporter does not map it for this device");
}

static void dmabuf_placement_note_mapped(struct dmabuf *dmabuf)
{
	struct dmabuf_placement *p = dmabuf->placement;

	if (READ_ONCE(p->mapped))
		return;
	spin_lock(&dmabuf->lock);
	p->mapped = true;
	spin_unlock(&dmabuf->lock);
}

struct sg_table *dmabuf_placement_map(struct dmabuf_attachment *attachment,
				      enum dma_data_direction direction, long timeout)
{
	struct dmabuf *dmabuf = attachment->dmabuf;
	struct dmabuf_placement *p = dmabuf->placement;
	struct sg_table *sgt;
	int ret;

	if (!dmabuf_turn_try(attachment, direction)) {
		ret = dmabuf_turn_wait_for(attachment, direction, timeout);
		if (ret)
			return ERR_PTR(ret);
	}

	sgt = dmabuf_placement_ops(dmabuf)->map(attachment, p->storage, direction);
	if (IS_ERR_OR_NULL(sgt)) {
		dmabuf_turn_end(dmabuf, direction, attachment->kernel);
		if (sgt == ERR_PTR(-EOPNOTSUPP))
			dmabuf_placement_refuse_map(attachment);
		return sgt;
	}
	dmabuf_placement_note_mapped(dmabuf);
	return sgt;
}

void dmabuf_placement_unmap(struct dmabuf_attachment *attachment, struct sg_table *sgt,
			    enum dma_data_direction direction)
{
	struct dmabuf *dmabuf = attachment->dmabuf;

	dmabuf_placement_ops(dmabuf)->unmap(attachment, dmabuf->placement->storage, sgt);
	dmabuf_turn_end(dmabuf, direction, attachment->kernel);
}

/*
 * A kernel address holds the storage where it is, as a mapping of a device does, and may be
 * written through.  No device is asked for what it needs.
 */
int dmabuf_placement_vmap(struct dmabuf *dmabuf, struct iosys_map *map, bool kernel)
{
	const struct dmabuf_placement_ops *ops = dmabuf_placement_ops(dmabuf);
	struct dmabuf_turn turn = {
		.dmabuf = dmabuf,
		.direction = DMA_BIDIRECTIONAL,
		.kernel = kernel,
	};
	int ret;

	if (!ops->vmap)
		return -EINVAL;
	ret = dmabuf_turn_take(&turn, kernel ? dmabuf_kernel_timeout() : MAX_SCHEDULE_TIMEOUT);
	if (ret)
		return ret == -EAGAIN ? -EBUSY : ret;
	ret = ops->vmap(dmabuf, dmabuf->placement->storage, map);
	if (ret)
		dmabuf_turn_end(dmabuf, turn.direction, kernel);
	else
		dmabuf_placement_note_mapped(dmabuf);
	return ret;
}

void dmabuf_placement_vunmap(struct dmabuf *dmabuf, struct iosys_map *map, bool kernel)
{
	dmabuf_placement_ops(dmabuf)->vunmap(dmabuf, dmabuf->placement->storage, map);
	dmabuf_turn_end(dmabuf, DMA_BIDIRECTIONAL, kernel);
}

/**
 * dmabuf_storage_lock - get the storage of a buffer, which stays while it is looked at
 * @dmabuf: a buffer of an exporter on the placement layer, with a reference of the
 *	caller's
 *
 * For the exporter: page faults of its mmap, queries.  Takes storage if there is
 * none, as a map of no device in particular.  Waits for a move, but never for an
 * unmap.  The inverse is dmabuf_storage_unlock(), soon: a move waits for it.
 *
 * Context: process context; may sleep; mmap_lock may be held; takes &dmabuf.lock
 * and leaves &dmabuf_placement.in_place held for reading.
 * Return: the storage, or
 * * ERR_PTR(-EINVAL): the exporter is not on the layer
 * * ERR_PTR(-EINTR): the task is being killed
 * * what the exporter's alloc op returned
 */
struct dmabuf_storage *dmabuf_storage_lock(struct dmabuf *dmabuf)
{
	struct dmabuf_placement *p = dmabuf->placement;
	struct dmabuf_storage *storage;
	int ret;

	might_sleep();
	if (!p)
		return ERR_PTR(-EINVAL);

	ret = dmabuf_turn_exclusive(dmabuf);
	if (ret < 0)
		return ERR_PTR(ret);
	if (ret) {
		storage = dmabuf_storage_alloc(dmabuf, NULL, NULL);
		dmabuf_turn_cancel(dmabuf);
		if (IS_ERR(storage))
			return storage;
	}
	/* There is storage from here on, if not always the same. */
	if (down_read_killable(&p->in_place))
		return ERR_PTR(-EINTR);
	return p->storage;
}
EXPORT_SYMBOL_NS_GPL(dmabuf_storage_lock, DMABUF_NS);

/**
 * dmabuf_storage_unlock - let the storage of a buffer move again
 * @dmabuf: dmabuf_storage_lock() of it gave storage
 *
 * Context: process context.
 */
void dmabuf_storage_unlock(struct dmabuf *dmabuf)
{
	up_read(&dmabuf->placement->in_place);
}
EXPORT_SYMBOL_NS_GPL(dmabuf_storage_unlock, DMABUF_NS);
