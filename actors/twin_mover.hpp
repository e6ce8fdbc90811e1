#pragma once

#include "actors/cell_runner.hpp"
#include "actors/routing_gate.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

namespace gemel {

/// Gives twins other parents, which may carry their rows to other cells. All cells of the node
/// stand still meanwhile, between two items of work, no door is between looking a twin up and
/// pushing to its cell, and no query or subscription is on its way through the cells. So nobody
/// sees a twin twice, not at all, or half moved, a cycle cannot come from two moves at once, and
/// what waits for a twin goes along in its order.
class twin_mover : public std::enable_shared_from_this<twin_mover> {
public:
  twin_mover(directory& twins, routing_gate& gate, std::vector<cell_runner*> cells)
      : twins_{twins}, gate_{gate}, cells_{std::move(cells)} {}

  /// Carries out a `move` request, later; `reply` gets its outcome, or `overloaded`.
  void move(frame request, reply_function reply);

  /// While it lives no twin changes its cell.
  class scan_pass {
  public:
    explicit scan_pass(std::shared_ptr<twin_mover> of) : of_{std::move(of)} { of_->add_scan(); }
    ~scan_pass() { of_->leave_scan(); }
    scan_pass(const scan_pass&) = delete;
    scan_pass& operator=(const scan_pass&) = delete;

  private:
    std::shared_ptr<twin_mover> of_;
  };

  enum class scan_entry { entered, held, refused };

  /// Something is about to go through all cells. `held`: twins are being moved, `later` is called
  /// after that, as having entered. `refused`: too many wait already.
  /// @param always is never refused.
  scan_entry enter_scan(std::function<void()> later, bool always = false);
  void leave_scan();

private:
  enum class phase {
    idle,
    /// Waits for the scans under way; new ones are held.
    draining,
    /// Waits for the cells to stand still, or moves.
    pausing,
  };
  struct asked {
    frame request;
    reply_function reply;
    /// The entry to begin with, how often it was tried, and what became of those before.
    std::uint32_t next = 0;
    std::uint32_t attempts = 0;
    outcome so_far{};
    /// Cells whose logs hold what was moved.
    std::set<std::size_t> touched{};
  };
  struct place {
    std::size_t cell = 0;
    std::uint32_t row = 0;
    friend auto operator<=>(const place&, const place&) = default;
  };

  bool begins();
  void add_scan();
  void pause_cells();
  void arrived();
  void carry_out();
  bool carry_out(asked& one, std::size_t& budget, const moment& now);
  void go_on(std::vector<asked> done);
  std::vector<asked> hold_answers(std::vector<asked> done);
  result<void> move_one(asked& of, const std::string& id, const std::string& parent,
                        const moment& now);
  result<void> move_below(asked& of, const std::string& id, const std::string& parent,
                          const moment& now);
  result<void> check_group(const std::string& id);
  result<void> check_place(const std::string& id, const std::string& parent);
  result<void> check_depth(const std::string& id, std::size_t depth);
  void transfer(place from, const cell::target& to, const moment& now);
  void send_along();
  bool keep_item(std::size_t at, work& item, bool control);
  bool keep_part(std::size_t at, work& item);
  bool concerns(std::size_t at, const batch& of, const route& r) const;
  std::size_t follow(std::size_t at, const batch& of, route& r) const;
  std::optional<place> find(const std::string& id) const;
  cell& core(std::size_t at) const { return cells_[at]->core(); }

  directory& twins_;
  routing_gate& gate_;
  std::vector<cell_runner*> cells_;
  std::atomic<std::size_t> running_{0};

  std::mutex mutex_;
  phase phase_ = phase::idle;
  std::size_t scans_ = 0;
  std::deque<asked> asked_;
  std::vector<std::function<void()>> held_;

  // Of this standstill: twins that were moved, and where rows were and are.
  std::set<std::string> moved_ids_;
  std::map<place, place> moved_;
  struct travelling_item {
    std::size_t to = 0;
    bool control = false;
    work item;
  };
  std::vector<travelling_item> outgoing_;
};

} // namespace gemel
