#pragma once

#include "actors/batch.hpp"
#include "actors/ports.hpp"

#include <cstddef>
#include <functional>
#include <mutex>
#include <variant>
#include <vector>

namespace gemel {

class cell;

/// A cell's share of a batch: the routes from `begin`, which goes ahead as they are done, to before
/// `end`.
struct batch_part {
  batch_ptr of;
  std::uint32_t begin = 0;
  std::uint32_t end = 0;
  /// Of those done.
  std::uint32_t applied = 0;
};

/// A message that was sent to one twin's own address.
struct addressed_message {
  std::uint32_t row = 0;
  frame message;
  /// Empty: nobody waits for an answer.
  reply_function reply;
  /// Whom it was sent to: the row may hold another twin by now. Null: whoever is there.
  const twin_address* to = nullptr;
  /// When it came in, `moment::steady_ns`; 0: not known.
  std::int64_t submitted_ns = 0;
};

/// An exit signal that was sent to one twin's own address.
struct exit_signal {
  std::uint32_t row = 0;
  /// It ended as it should, or was asked to.
  bool normal = true;
  /// As in `addressed_message`.
  const twin_address* to = nullptr;
};

/// A message of another cell of this node; `wire::Control`. Travels in order with the data, since
/// it may follow the create that it is about.
struct control_message {
  frame message;
};

/// Reads or changes a cell's own tables in its turn: queries, subscriptions, statistics.
struct cell_job {
  std::function<void(cell&, const moment&)> run;
  /// Called instead of the rest of `run` when that threw; may be empty.
  std::function<void(const error&)> failed{};
};

using work = std::variant<batch_part, addressed_message, exit_signal, control_message, cell_job>;

/// The two bounded queues of a cell, control before data. Any thread pushes, the cell takes.
class cell_inbox {
public:
  struct options {
    /// Work items that wait; the bound of the data queue.
    std::size_t items_max;
    /// Bytes of the frames that wait. A batch counts once in each cell.
    std::size_t bytes_max;
  };

  explicit cell_inbox(options limits) : limits_{limits} {}

  enum class pushed {
    /// The cell is under way already.
    queued,
    /// The queue was idle: the pusher must schedule the cell.
    wake,
    /// Full: nothing was queued.
    refused,
  };

  /// Requests from doors; may be refused.
  [[nodiscard]] pushed push_data(work item);

  /// Messages between cells, in order with the data. Never refused: there are at most a few for
  /// each create or delete that the data queues let in.
  [[nodiscard]] pushed push_ordered(work item);

  /// What must overtake the data. Never refused: there is at most one for each watcher of a twin.
  [[nodiscard]] pushed push_control(work item);

  /// For a turn although nothing waits.
  [[nodiscard]] pushed wake();

  /// Swaps all waiting control items into the empty `control`, and, if `data` is not null, all
  /// waiting data items into the empty `data`.
  void take(std::vector<work>& control, std::vector<work>* data);

  /// False if something waits. Else the cell is idle, and the next push says `wake`.
  bool rest();

  /// Takes out the waiting items that `keep` does not keep; oldest first.
  void sift(const std::function<bool(work&, bool control)>& keep);

  /// Items waiting, for metrics.
  std::size_t size() const;

private:
  pushed woken() noexcept;

  options limits_;
  mutable std::mutex mutex_;
  std::vector<work> control_;
  std::vector<work> data_;
  std::size_t bytes_ = 0;
  bool scheduled_ = false;
};

} // namespace gemel
