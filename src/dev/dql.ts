/**
 * Byte queue limits (Linux: lib/dynamic_queue_limits.c): how many bytes a driver may have in the card. As few as keep the line
 * busy, so that what waits, waits in the discipline, where it can be put in order; a ring full of packets would hide it.
 *
 *     starved: the card ran dry while the limit held packets back      → the limit grows by what was missing
 *     slack:   more lay in the card than it used between completions   → the limit shrinks by the least excess of a second
 *
 * Counts only grow.
 */

/** An excess is believed when it lasted so long. */
const SLACK_HOLD_NS = 1e9;
/** Largest limit. */
const DQL_MAX_LIMIT = 0x7fffffff / 2;

export class Dql {
  limit = 0;
  /** Bytes handed to the card, and those that have left. */
  private queued = 0;
  private completed = 0;
  private adjusted = 0;
  /** As they were at the last completion. */
  private previousQueued = 0;
  private previousOver = 0;
  private previousLast = 0;
  private last = 0;
  private lowestSlack: number = Infinity;
  private slackSince = 0;

  /** Bytes that the card may still get; less than 0: it has more than it should. */
  get available(): number {
    return this.adjusted - this.queued;
  }

  /** A packet goes to the card. */
  sent(bytes: number): void {
    this.last = bytes;
    this.queued += bytes;
  }

  /** So many bytes have left the card by `now`. */
  complete(bytes: number, now: number): void {
    const { queued } = this;
    const completed = this.completed + bytes;
    let { limit } = this;
    let over = Math.max(0, queued - this.completed - limit);
    const inProgress = queued > completed;
    const wasInProgress = this.previousQueued > this.completed;
    const allPreviousDone = completed >= this.previousQueued;
    if ((over > 0 && !inProgress) || (this.previousOver > 0 && allPreviousDone)) {
      limit += Math.max(0, completed - this.previousQueued) + this.previousOver;
      this.slackSince = now;
      this.lowestSlack = Infinity;
    } else if (inProgress && wasInProgress && !allPreviousDone) {
      limit -= this.excess(limit, bytes, now);
    }
    limit = Math.max(0, Math.min(DQL_MAX_LIMIT, limit));
    if (limit !== this.limit) {
      this.limit = limit;
      over = 0;
    }
    this.adjusted = limit + completed;
    this.previousOver = over;
    this.previousLast = this.last;
    this.completed = completed;
    this.previousQueued = queued;
  }

  /** The card was emptied. */
  reset(): void {
    this.limit = 0;
    this.queued = 0;
    this.completed = 0;
    this.adjusted = 0;
    this.previousQueued = 0;
    this.previousOver = 0;
    this.previousLast = 0;
    this.last = 0;
    this.lowestSlack = Infinity;
    this.slackSince = 0;
  }

  /** What was too much all the time, once the second is over; else 0. Twice what left must fit, as the completion may come late. */
  private excess(limit: number, bytes: number, now: number): number {
    const partOfLast = this.previousOver > 0 ? Math.max(0, this.previousLast - this.previousOver) : 0;
    const slack = Math.max(0, limit + this.previousOver - 2 * bytes, partOfLast);
    if (slack < this.lowestSlack) this.lowestSlack = slack;
    if (now <= this.slackSince + SLACK_HOLD_NS) return 0;
    const excess = this.lowestSlack;
    this.slackSince = now;
    this.lowestSlack = Infinity;
    return excess;
  }
}
