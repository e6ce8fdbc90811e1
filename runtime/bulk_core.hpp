#pragma once

#include "messages/frame.hpp"
#include "messages/records.hpp"
#include "runtime/bulk_item.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace gemel {

/// How a bulk run is carried out.
struct bulk_rules {
  bulk_action action = bulk_action::create;
  /// Items and bytes of one request, and requests without an answer: 4 MiB wait at most.
  std::size_t batch_items = 1'000;
  std::size_t batch_bytes = 1u << 20;
  std::size_t in_flight = 4;
  /// Items a second; 0: as fast as they go.
  std::uint64_t rate = 0;
  /// Stops after so many failed items; 0: goes on to the end.
  std::uint64_t failures_max = 0;
  /// Only asks which twins there are, and changes nothing.
  bool dry_run = false;
  /// A twin to create that is there already, or to delete that is not, is no failure.
  bool repeat = false;
  /// Of delete.
  child_policy children = child_policy::refuse;
  /// How long a request may go without an answer before it is sent again.
  std::chrono::milliseconds patience = std::chrono::seconds{30};
  /// Items that wait for a parent further down (create) or for children that are still to be
  /// deleted, and their bytes.
  std::size_t deferred_items = 200'000;
  std::size_t deferred_bytes = 128u << 20;
};

/// What became of an item.
enum class bulk_status : std::uint8_t {
  /// It took effect, or of a dry run: would, as far as can be told.
  applied,
  /// The twin to create is there already.
  present,
  /// The twin to delete is not there.
  absent,
  failed,
};

struct bulk_outcome {
  bulk_place where{};
  /// Of a create without an id the one that the node made. Lives during the call.
  std::string_view id{};
  bulk_status status = bulk_status::applied;
  error why{};
  /// It could not be read, and was not sent.
  bool is_unread = false;
};

struct bulk_totals {
  std::uint64_t applied = 0;
  std::uint64_t present = 0;
  std::uint64_t absent = 0;
  std::uint64_t failed = 0;
  /// Items sent again because the node was busy or the link broke.
  std::uint64_t repeated = 0;
};

/// Decides what a bulk run sends when; knows no link and no clock.
///
/// Items of one twin keep their order: one that comes while an earlier one has no answer waits,
/// unless both are of one batch, which the node takes or refuses together. An item that the node
/// had no room for is sent again after the time the node asked for. A create whose parent is not
/// there, and a delete of a twin with children, wait until all before them is answered, and are
/// sent again as long as that helps: so parents may stand behind their children. They are failures
/// if nothing more helps, or if more than `deferred_items` wait.
///
/// Times are nanoseconds of a steady clock.
class bulk_core {
public:
  using outcome_sink = std::function<void(const bulk_outcome&)>;

  bulk_core(const bulk_rules& rules, outcome_sink take);

  /// Whether `add` may be called.
  bool wants_items() const noexcept;
  void add(bulk_item item);
  /// An item that could not be read; counts as failed.
  void refuse(const bulk_outcome& what);
  /// Sends what is there, full batch or not.
  void flush();
  /// No more items come.
  void end() noexcept { ended_ = true; }
  /// Sends nothing more; what is under way is waited for.
  void stop() noexcept { stopped_ = true; }

  struct request {
    std::uint64_t number = 0;
    frame content{};
  };
  /// The next request to send now; nothing when there is none. Call it until there is none.
  std::optional<request> next(std::int64_t now_ns);
  /// When to call `next` again at the latest, without an answer before; nothing: never.
  std::optional<std::int64_t> wake_at() const noexcept;
  void answered(std::uint64_t number, const frame& reply, std::int64_t now_ns);

  /// The link broke: what has no answer is sent again once `restore` was called.
  bool is_lost() const noexcept { return lost_; }
  void lose();
  void restore() noexcept { lost_ = false; }

  bool done() const noexcept;
  bool stopped() const noexcept { return stopped_; }
  std::size_t under_way() const noexcept { return flying_.size(); }
  const bulk_totals& totals() const noexcept { return totals_; }
  /// The first item without an outcome; nothing when all that were added have one.
  std::optional<bulk_place> first_open() const;

private:
  struct batch {
    std::vector<bulk_item> items; // in the order of the input
    std::size_t bytes = 0;
    std::int64_t not_before_ns = 0;
    std::int64_t sent_ns = 0;
    unsigned attempts = 0;
  };
  struct deferred_item {
    bulk_item item;
    error why;
  };
  struct holder {
    std::uint64_t batch = 0; // by `batch_of_pending_`
    std::uint32_t count = 0;
  };

  void place(bulk_item item, std::size_t bytes);
  bool unblock();
  void expire(std::int64_t now_ns);
  void advance_wave();
  void start_wave();
  void fail_deferred();
  bool may_wave() const noexcept;
  frame frame_of(batch& made) const;
  void take_outcome(batch done, outcome what, std::int64_t now_ns);
  void take_page(batch done, const twin_page& page);
  void take_error(batch done, const error& why, std::int64_t now_ns);
  void take_failure(bulk_item item, error why, batch& again);
  void requeue(batch again, std::uint32_t wait_ms, std::int64_t now_ns);
  void repeat_unanswered(batch again);
  void split(batch large);
  void settle(const bulk_item& item, std::string_view id, bulk_status status, error why = {});
  std::int64_t rate_wait(std::int64_t now_ns) const noexcept;

  bulk_rules rules_;
  outcome_sink take_;
  batch pending_;
  std::uint64_t pending_number_ = 1;
  std::deque<batch> queue_;
  std::map<std::uint64_t, batch> flying_;
  std::uint64_t last_number_ = 0;
  std::unordered_map<std::string, holder> open_ids_;
  std::optional<bulk_item> blocked_; // waits for an earlier item of its twin
  std::vector<deferred_item> deferred_;
  std::size_t deferred_bytes_ = 0;
  bool in_wave_ = false;
  std::uint64_t applied_before_wave_ = 0;
  std::int64_t rate_free_ns_ = 0; // when the rate allows the next batch
  bool ended_ = false;
  bool stopped_ = false;
  bool lost_ = false;
  bulk_totals totals_;
};

} // namespace gemel
