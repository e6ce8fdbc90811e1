#pragma once

#include "messages/frame.hpp"
#include "messages/sync_columns.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

/// What the nodes of a link tell each other so that their replicas agree, and its bytes. A link may
/// lose, repeat, reorder and damage messages; each carries a checksum and the session it is of.
namespace gemel {

/// The first and the last word: who is there. Sent until the peer answers with our `nonce`.
struct sync_hello {
  std::uint16_t protocol_min = 0;
  std::uint16_t protocol_max = 0;
  std::string cluster{};
  /// The node's name; `site` is its hash.
  std::string node{};
  site_id site{};
  /// Which life of the node's data this is.
  std::uint64_t incarnation = 0;
  /// Drawn for this attempt; both sides' together name the session.
  std::uint64_t nonce = 0;
  /// The peer's nonce, if it is known; 0: not yet.
  std::uint64_t answers = 0;
  /// Bytes that the peer may have under way to us.
  std::uint64_t credit = 0;
};

/// How much of the peer's changes of one shard is safe here.
struct sync_position {
  std::uint16_t shard = 0;
  /// The peer's change number.
  std::uint64_t received = 0;
  /// Of a batch in parts that is on its way: which (`sync_part::cut`) and how many parts are here.
  std::uint64_t staged_cut = 0;
  std::uint32_t staged_parts = 0;

  friend bool operator==(const sync_position&, const sync_position&) = default;
};

/// Positions, cumulative: with `all`, of every shard of which anything is here.
struct sync_ack {
  bool all = false;
  std::uint64_t credit = 0;
  std::vector<sync_position> positions{};
};

/// Changes of one shard, or a part of them; takes effect when all parts are there.
struct sync_part {
  std::uint16_t shard = 0;
  std::uint64_t from = 0;
  std::uint64_t to = 0;
  /// Drawn for each batch: a sender that lives again may cut the same changes in other parts.
  std::uint64_t cut = 0;
  bool full = false;
  std::uint32_t index = 0;
  bool last = true;
  version_vector clock{};
  std::vector<replicated_entry> entries{};
};

/// Why a part was not taken. The numbers are part of the wire format.
enum class sync_refusal : std::uint8_t {
  /// A change before it is missing; resume at `received`.
  gap = 1,
  /// A stamp lies too far in the future: somebody's clock is wrong.
  clock_fault = 2,
  /// It is damaged or breaks a bound.
  damaged = 3,
  /// No room for it now.
  busy = 4,
  /// The shard has too many writers; retire some.
  too_many_writers = 5,
  /// Of no shard: it speaks of names by numbers that are not known here; spell them anew.
  unknown_names = 6,
  last_ = unknown_names,
};

std::string_view to_string(sync_refusal why) noexcept;

struct sync_nack {
  std::uint16_t shard = 0;
  sync_refusal why = sync_refusal::gap;
  std::uint64_t received = 0;
  /// Of `clock_fault`: how far ahead, in milliseconds.
  std::uint64_t ahead_ms = 0;
};

/// Asks for a sign of life; the four times give the offset of both clocks (RFC 5905, section 8).
struct sync_ping {
  std::uint64_t sequence = 0;
  /// Microseconds since 1970 UTC, as all times here.
  std::int64_t sent_us = 0;
  /// Whether the peer's positions are known here; if not it sends them.
  bool has_positions = false;
};

struct sync_pong {
  std::uint64_t sequence = 0;
  std::int64_t sent_us = 0;
  std::int64_t received_us = 0;
  std::int64_t answered_us = 0;
};

/// What shards hold, in short.
struct sync_digest {
  struct shard_sum {
    std::uint16_t shard = 0;
    std::uint64_t clock = 0;
    std::uint64_t root = 0;
    /// Of what is shown where values stand beside each other; 0: nowhere. If it differs where clock
    /// and root are equal, the two nodes decide conflicts differently.
    std::uint64_t shown = 0;
  };
  std::vector<shard_sum> shards{};
};

/// Parts of one shard that digests are compared by: the less there is in one, the less is sent to
/// repair what differs.
inline constexpr std::size_t digest_buckets = 1'024;

/// The sums of one shard's buckets, where equal clocks had different digests.
struct sync_buckets {
  std::uint16_t shard = 0;
  std::uint64_t clock = 0;
  std::array<std::uint64_t, digest_buckets> sums{};
};

/// Everything in the buckets that differ.
struct sync_repair {
  std::uint16_t shard = 0;
  version_vector clock{};
  std::vector<replicated_entry> entries{};
};

/// The session ends, and why. The numbers are part of the wire format.
enum class sync_goodbye : std::uint8_t {
  stopping = 1,
  other_cluster = 2,
  /// No protocol version that both speak.
  protocol = 3,
  /// The peer is this node itself, or another node of the same name or site.
  same_site = 4,
  last_ = same_site,
};

std::string_view to_string(sync_goodbye why) noexcept;

struct sync_bye {
  sync_goodbye why = sync_goodbye::stopping;
  std::string text{};
};

/// The numbers of the alternatives are part of the wire format.
using sync_message = std::variant<sync_hello, sync_ack, sync_part, sync_nack, sync_ping, sync_pong,
                                  sync_digest, sync_buckets, sync_repair, sync_bye>;

inline constexpr std::uint16_t sync_protocol = 4;

/// The frame of a message. @param session 0: of a hello or goodbye before there is one.
frame make_sync(std::uint64_t session, const sync_message& message, sent_names& names);
/// The frame of a part with entries that stay with the caller. @param head without entries.
frame make_sync(std::uint64_t session, const sync_part& head,
                std::span<const replicated_entry> entries, sent_names& names);

/// The session that a sync frame is of. The frame must be one.
std::uint64_t session_of(const frame& sync);
/// Whether the frame is a sync frame.
bool is_sync(const frame& any);

/// Whether the checksum is right: what `read_sync` then refuses was not damaged on the way.
bool sync_is_whole(const frame& sync);

/// Reads a checked frame, whatever its bytes. @param check_sum false: for tests alone.
/// @returns errc::bad_frame with the place: damaged on the way, or not what a peer may say.
result<sync_message> read_sync(const frame& sync, received_names& names, bool check_sum = true);

} // namespace gemel
