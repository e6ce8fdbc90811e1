#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

/// Every bound of the runtime in one place, with its unit and its reason. Configuration may lower
/// those that a node reads at start; nothing may raise them.
namespace gemel::limits {

/// Bytes of a twin id. Fits a UUID, a DTMI, a serial number with its prefix.
inline constexpr std::size_t id_bytes_max = 256;
/// Bytes of a type (model) name.
inline constexpr std::size_t type_bytes_max = 256;
/// Bytes of a property key.
inline constexpr std::size_t key_bytes_max = 256;
/// Bytes of one text or bytes value.
inline constexpr std::size_t text_bytes_max = 1 << 20;
/// Lists and maps inside each other.
inline constexpr std::size_t value_depth_max = 32;
/// Elements of one list or map.
inline constexpr std::size_t value_elements_max = 65'536;
/// Properties of one twin. A twin is an object, not a table.
inline constexpr std::size_t properties_max = 1'024;
/// Bytes of one frame from outside (4 MiB): larger transfers are paged, so that one request cannot
/// hold up a link for long (background: 1.7 GB/s at 64 KiB, so 4 MiB is some 3 ms).
inline constexpr std::size_t frame_bytes_max = 4u << 20;
/// Pointers followed inside one frame; twice what `value_depth_max` needs.
inline constexpr int frame_depth_max = 80;
/// Entries of one batch. 16 bits of index would do; the rest is head room for the reader's sums.
inline constexpr std::size_t batch_entries_max = 65'536;

/// Of the result of a workflow's step, in memory: it is kept with the run, and in its log.
inline constexpr std::size_t step_result_bytes_max = 16u << 20;

/// Properties that a get may ask for alone: each is looked up in each twin.
inline constexpr std::size_t get_only_max = 16;
/// Shards, fixed for the life of a cluster (design section 1).
inline constexpr std::uint32_t shards = 4'096;
/// Parts of all replicated twins that nodes exchange, each with a clock and a position of its own:
/// fewer make larger batches, more a finer resume. Fixed for the life of a cluster.
inline constexpr std::uint32_t replica_shards = 64;
/// Cells of one node; the directory packs a cell's index in 12 bits.
inline constexpr std::uint32_t cells_max = 4'096;
/// Twins of one cell; the directory packs the row in 32 bits.
inline constexpr std::uint32_t rows_max = 1u << 31;
/// Work items waiting in one cell's data queue; beyond it the door answers `overloaded`.
inline constexpr std::size_t cell_queue_items_max = 65'536;
/// Bytes of frames waiting in one cell's data queue (64 MiB).
inline constexpr std::size_t cell_queue_bytes_max = 64u << 20;
/// Creates that wait in one cell for the answer of their parent's cell.
inline constexpr std::size_t parked_creates_max = 65'536;
/// Work items of one cell that wait for rows which an atomic batch or a move holds.
inline constexpr std::size_t held_work_max = 65'536;
/// How often an atomic batch that an older one took a twin from is sent again before it is answered
/// `twin_busy`.
inline constexpr std::uint32_t atomic_attempts_max = 64;
/// How often a read of several twins begins anew when an atomic batch may show in one half of them,
/// before it is answered `twin_busy`.
inline constexpr std::uint32_t read_attempts_max = 16;
/// Children of one parent.
inline constexpr std::size_t children_max = 1'000'000;
/// Levels of the hierarchy, the root counted.
inline constexpr std::size_t hierarchy_depth_max = 64;
/// Rows of one page of a query's or list's answer; more come with the page token.
inline constexpr std::size_t page_rows_max = 10'000;
/// Bytes of rows in one page (3 MiB), so that a page always fits a frame.
inline constexpr std::size_t page_bytes_max = 3u << 20;
/// Bytes of one expression's text.
inline constexpr std::size_t expression_bytes_max = 16'384;
/// Parentheses, calls and operators inside each other in one expression.
inline constexpr std::size_t expression_depth_max = 100;
/// Queries, gets and the like under way in one node at once; each holds its answer in memory.
inline constexpr std::size_t gatherings_max = 1'024;
/// Requests to move twins to other parents that wait in one node.
inline constexpr std::size_t moves_max = 1'024;
/// Twins that are moved while the cells stand still once.
inline constexpr std::size_t moves_at_once = 1'024;
/// How often a move is tried that finds its twins busy.
inline constexpr std::uint32_t move_attempts_max = 16;
/// Expressions that one query groups by, and aggregates that it asks for, each.
inline constexpr std::size_t group_columns_max = 16;
/// Groups of one query's answer, which is one frame.
inline constexpr std::size_t groups_max = 10'000;
/// Subscriptions of one node.
inline constexpr std::size_t subscriptions_max = 1'000'000;
/// Events kept for one slow subscriber before it gets a `gap`.
inline constexpr std::size_t subscriber_backlog_max = 65'536;
/// Bytes of events kept for one slow or absent subscriber (16 MiB).
inline constexpr std::size_t subscriber_backlog_bytes_max = 16u << 20;
/// How long a subscription outlives its link.
inline constexpr std::chrono::milliseconds subscription_keep_max = std::chrono::hours{24};
/// How long an event may be held back for the sake of a subscriber's rate.
inline constexpr std::chrono::milliseconds min_interval_max = std::chrono::hours{1};
/// What an `overloaded` answer names at most as the time to wait.
inline constexpr std::chrono::milliseconds retry_after_max = std::chrono::seconds{10};
/// Sessions (linked programs) of one node.
inline constexpr std::size_t sessions_max = 10'000;
/// Requests of one session without an answer.
inline constexpr std::size_t session_requests_max = 1'024;

/// What a behaviour may do in one call besides changing its twin: events, messages, work.
inline constexpr std::size_t behavior_effects_max = 4'096;
/// Commands of one cell's twins that wait for a later answer; beyond it `overloaded`.
inline constexpr std::size_t deferred_commands_max = 65'536;
/// Pieces of long work of one cell's twins that wait or are being done.
inline constexpr std::size_t cell_works_max = 4'096;
/// The longest that a command may wait for its answer.
inline constexpr std::chrono::milliseconds command_timeout_max = std::chrono::minutes{10};
/// Timers of one cell that fire in one turn before other cells get theirs.
inline constexpr std::size_t timers_per_turn_max = 1'024;

} // namespace gemel::limits
