#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

/// Times, bounds and deliberate mistakes of the synchronisation of replicas. The protocol is that
/// of ARCHITECTURE.md, "Replicas"; its rules are called R1 to R9 there.
namespace gemel {

/// Protocol mistakes that tests plant to show that the simulator finds them. Never set otherwise.
enum class planted_bug : std::uint8_t {
  none,
  /// A write of ours replaces only the newest of the values it saw.
  write_replaces_one,
  /// A delete gets no write id.
  delete_without_write,
  /// A remote value is taken although it was seen and replaced here.
  no_clock_check,
  /// A local value stays although the peer saw and replaced it.
  no_context_check,
  /// A batch's clock is not taken over.
  no_clock_join,
  /// A clock that went on without a value is not told to third parties.
  no_clock_forward,
  /// Concurrent values are thrown away by their time when they meet.
  newest_only,
  /// Values of a deleted life stay.
  dead_lives_stay,
  /// A batch is acknowledged before it is on the disk.
  ack_before_durable,
  /// State is sent before it is on the disk.
  send_before_durable,
  /// The sender's position moves when it sends, not when it is acknowledged.
  cursor_on_send,
  /// Marks of deletes go before every peer has them.
  early_purge,
  /// Gone properties are not named in batches.
  deletes_not_named,
  /// A full copy does not remove what it does not hold.
  full_keeps_absent,
  /// A delete of what was never here is not handed on.
  unseen_deletes_forgotten,
  /// Who got a full copy hands it on as if it knew of every delete.
  full_not_handed_on,
  /// What came from a peer is not sent back to it, even after it lost its disk.
  echo_across_lives,
  /// What came from a peer is not sent back to it, although it has not heard what was here before.
  echo_unheard,
  /// Parts of a batch take effect before its last part is there.
  parts_apply_early,
  /// A node that lost its disk, or got an old copy back, writes under its old id.
  reuse_writer,
  /// A node that lost its disk, or got an old copy back, keeps its incarnation.
  keep_incarnation,
  /// The position in a peer's changes is on the disk before the changes.
  position_before_data,
  /// After a restart the writer counts from the beginning.
  counter_from_zero,
  /// A late batch takes the position back.
  position_goes_back,
  /// Messages of sessions that are over are heard.
  old_sessions_heard,
  /// More bytes are under way than the peer granted.
  credit_ignored,
  /// Names are spoken of by number before the peer acknowledged them.
  names_before_ack,
  /// Damaged messages are read all the same.
  checksum_ignored,
  /// Times far ahead of ours are taken.
  future_times_taken,
  /// What is lost on the way is never sent again.
  no_resend,
  last_ = no_resend,
};

using std::chrono::milliseconds;

struct sync_rules {
  /// How long a change may wait for others of its shard before it is sent; what is not mere
  /// telemetry does not wait.
  milliseconds flush_interval{0};
  /// A peer is asked for a sign of life this often.
  milliseconds ping_interval{1'000};
  /// Without a word for this long a peer is suspect, then dead: the session ends.
  milliseconds suspect_after{3'000};
  milliseconds dead_after{10'000};
  /// Between attempts to reach a peer: doubled each time up to the greatest, each with up to a
  /// fifth more or less.
  milliseconds retry_min{200};
  milliseconds retry_max{30'000};
  /// A batch without an answer is sent again after four round trips, at least this.
  milliseconds resend_min{1'000};
  /// Digests are compared this often.
  milliseconds digest_interval{60'000};
  /// A stamp further ahead than this is refused, and its sender named.
  milliseconds clock_bound{500};
  /// Bytes that may be under way to us without an answer.
  std::uint64_t credit_bytes = 4u << 20;
  /// Bytes of one message; larger batches go in parts.
  std::size_t part_bytes = 256u << 10;
  /// Entries of one message.
  std::size_t part_entries = 4'096;
  /// Bytes of parts that wait for the rest of their batch, for each link.
  std::size_t staged_bytes_max = 256u << 20;
  /// Names that a session speaks of by number.
  std::size_t names_max = 65'536;
  /// Marks of deletes kept in one shard for peers that are away; beyond, a peer gets a full copy.
  std::size_t delete_marks_max = 65'536;
  /// Writers of one shard: a further one is refused until some are retired.
  std::size_t writers_max = 64;
  planted_bug planted = planted_bug::none;

  bool broken(planted_bug bug) const noexcept { return planted == bug; }
};

} // namespace gemel
