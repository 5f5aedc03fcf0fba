import type { RedisAction, RedisDecision, Role } from "../action.ts";
import type { Limits, Redis, ServerName, View } from "../view.ts";

/**
 * Redis follows MySQL: whoever leads there leads here, and MySQL never waits for it. Two things would lose more than the second or so that
 * asynchronous replication may lose: to publish a copy that was cut off in the middle, and to let a whole copy be replaced by the empty set of
 * a Redis that came back without its file.
 * @param role what the server is for MySQL's clients. @param leader who leads.
 */
export function decideRedis(view: View, role: Role, leader: ServerName | undefined, limits: Limits): RedisDecision {
  const { redis } = view;
  if (redis === "down" || redis === "silent") return wait("none", `Redis is ${redis}`);
  if (role === "leader") return leadRedis(view, redis, limits);
  if (leader === view.peer) return followRedis(view, redis);
  return wait("none", "nobody leads");
}

function wait(role: Role, because: string): RedisDecision {
  return { action: { kind: "wait" }, role, because };
}

function act(action: RedisAction, because: string): RedisDecision {
  return { action, role: "none", because };
}

function peerRedis(view: View): Redis | undefined {
  return view.peerAnswer === "silent" ? undefined : view.peerAnswer.redis;
}

const isWhole = (redis: Redis | undefined): redis is Redis => redis?.complete === true && !redis.isEmpty;

function leadRedis(view: View, redis: Redis, limits: Limits): RedisDecision {
  const { run } = redis;
  if (redis.assigned === "leader" && redis.source === undefined) return wait("leader", "leading");
  const kept = peerRedis(view);
  const mayWait = view.redisNotLeadingFor < limits.redisRestore;
  // This run came back empty: the other server's copy is what is left.
  if (mayWait && redis.assigned === undefined && redis.isEmpty && (kept === undefined || isWhole(kept))) {
    return kept?.assigned === "detached"
      ? act({ kind: "follow-redis", run, source: view.peer }, "empty here: what the other server kept is copied back")
      : wait("none", "empty here: waiting until the other server keeps its copy");
  }
  const isCopyingBack = redis.assigned === "replica" && redis.source === view.peer && kept?.assigned === "detached";
  if (mayWait && isCopyingBack && !(redis.link === "up" && redis.complete)) {
    return wait("none", "copying back what the other server kept");
  }
  if (!redis.complete) {
    return act({ kind: "reload-redis", run }, "a copy was cut off in the middle: back to the newest file here");
  }
  return act({ kind: "lead-redis", run }, "this server leads");
}

function followRedis(view: View, redis: Redis): RedisDecision {
  const { run } = redis;
  const source = peerRedis(view);
  const isFollowing = redis.assigned === "replica" && redis.source === view.peer;
  const role: Role = isFollowing && redis.link === "up" ? "replica" : "none";
  if (source === undefined) return wait(role, "the leader's Redis does not answer");
  if (source.assigned === "leader") {
    return isFollowing
      ? wait(role, "following")
      : act({ kind: "follow-redis", run, source: view.peer }, "the other server leads");
  }
  if (source.assigned === undefined && source.isEmpty && isWhole(redis)) {
    return redis.assigned === "detached"
      ? wait("none", "the leader's Redis came back empty: this copy is kept for it")
      : act({ kind: "detach-redis", run }, "the leader's Redis came back empty: this copy must not follow it");
  }
  return wait("none", "the leader's Redis has no role yet");
}

/** Whether a move that nobody needs would lose nothing of Redis. A Redis that is down here has nothing to lose. */
export function isRedisLevel(view: View): boolean {
  const { redis } = view;
  if (redis === "down" || redis === "silent" || redis.assigned !== "leader" || redis.isEmpty) return true;
  const copy = peerRedis(view);
  return copy?.assigned === "replica" && copy.source === view.me && copy.link === "up";
}
