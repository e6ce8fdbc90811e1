#pragma once

#include "messages/frame.hpp"
#include "messages/records.hpp"

#include <boost/container/small_vector.hpp>
#include <boost/smart_ptr/intrusive_ptr.hpp>
#include <boost/smart_ptr/intrusive_ref_counter.hpp>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace gemel {

class transaction;

/// Where one entry of a batch goes.
struct route {
  /// Entry of the frame.
  std::uint32_t index = 0;
  /// Row in the cell that this part goes to; of a create: not used.
  std::uint32_t row = 0;
  /// The placement's shard; only of a create.
  std::uint16_t shard = 0;
  /// Of a create: `shard` was chosen by an explicit placement key.
  bool pinned = false;
};

/// One request's way through the cells: the frame, who gets which entry, and the outcome that
/// gathers. Each cell works on its own part; the last one to finish answers.
class batch : public boost::intrusive_ref_counter<batch> {
public:
  using done_function = std::function<void(outcome&&)>;
  /// One entry, the commonest batch, needs no heap.
  using route_list = boost::container::small_vector<route, 1>;

  /// @param under_way counted down (and notified at 0) after `done` has returned; may be null.
  batch(frame message, std::int64_t submitted_ns, done_function done,
        std::atomic<std::uint64_t>* under_way = nullptr)
      : message_{std::move(message)}, kind_{message_.message().which()},
        submitted_ns_{submitted_ns}, done_{std::move(done)}, under_way_{under_way} {}

  const frame& message() const noexcept { return message_; }

  /// What kind of request it is, without a look into the frame.
  wire::Message::Which kind() const noexcept { return kind_; }

  /// When it came in, `moment::steady_ns`.
  std::int64_t submitted_ns() const noexcept { return submitted_ns_; }

  /// Of a create: which of all creates it is, given by ingress before any cell sees the batch.
  std::uint64_t number() const noexcept { return number_; }
  void number(std::uint64_t given) noexcept { number_ = given; }

  /// Filled by ingress before any cell sees the batch, grouped by cell.
  route_list& routes() noexcept { return routes_; }
  const route_list& routes() const noexcept { return routes_; }

  /// The id of every entry of a create; filled by ingress before any cell sees the batch.
  std::vector<std::string>& ids() noexcept { return ids_; }
  const std::vector<std::string>& ids() const noexcept { return ids_; }

  /// Of an atomic batch, else null; set by ingress before any cell sees the batch.
  const std::shared_ptr<transaction>& joint() const noexcept { return joint_; }
  void joint(std::shared_ptr<transaction> all) noexcept { joint_ = std::move(all); }

  /// One more part is under way. The batch starts with one part of its own: ingress.
  void open_part() noexcept { open_parts_.fetch_add(1, std::memory_order_relaxed); }

  /// A part is done, with this many entries applied. The last call answers.
  void close_part(std::uint32_t applied);

  /// Entry `index` failed. Any cell may call this while its part is open.
  void fail(std::uint32_t index, error why);

  /// What a cell applied was not stored: every entry that has no failure of its own gets this one.
  void spoil(error why);

private:
  void fail_the_rest();

  frame message_;
  wire::Message::Which kind_;
  std::int64_t submitted_ns_;
  done_function done_;
  std::atomic<std::uint64_t>* under_way_;
  std::uint64_t number_ = 0;
  route_list routes_;
  std::vector<std::string> ids_;
  std::shared_ptr<transaction> joint_;
  std::atomic<std::uint32_t> open_parts_{1};
  std::atomic<std::uint32_t> applied_{0};
  std::mutex mutex_;
  std::vector<failure> failures_;
  std::optional<error> spoilt_;
};

using batch_ptr = boost::intrusive_ptr<batch>;

} // namespace gemel
