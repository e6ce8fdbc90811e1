#include "actors/twin_mover.hpp"

#include "messages/replies.hpp"
#include "messages/wire.hpp"

#include <algorithm>

namespace gemel {

void twin_mover::move(frame request, reply_function reply) {
  bool begin = false;
  {
    std::lock_guard guard{mutex_};
    if (asked_.size() < limits::moves_max) {
      asked_.push_back({std::move(request), std::move(reply)});
      if (phase_ == phase::idle)
        phase_ = phase::draining;
      begin = begins();
      reply = nullptr;
    }
  }
  if (reply)
    return reply(make_error_reply({errc::overloaded, "too many moves wait"}));
  if (begin)
    pause_cells();
}

/// Whether it is time to stop the cells. With the lock.
bool twin_mover::begins() {
  if (phase_ != phase::draining || scans_ > 0)
    return false;
  phase_ = phase::pausing;
  return true;
}

twin_mover::scan_entry twin_mover::enter_scan(std::function<void()> later, bool always) {
  std::lock_guard guard{mutex_};
  if (phase_ == phase::idle) {
    ++scans_;
    return scan_entry::entered;
  }
  if (!always && held_.size() >= limits::gatherings_max)
    return scan_entry::refused;
  held_.push_back(std::move(later));
  return scan_entry::held;
}

void twin_mover::add_scan() {
  std::lock_guard guard{mutex_};
  ++scans_;
}

void twin_mover::leave_scan() {
  bool begin = false;
  {
    std::lock_guard guard{mutex_};
    --scans_;
    begin = begins();
  }
  if (begin)
    pause_cells();
}

void twin_mover::pause_cells() {
  bool retries = false;
  {
    std::lock_guard guard{mutex_};
    retries = !asked_.empty() && asked_.front().attempts > 0;
  }
  running_.store(cells_.size(), std::memory_order_release);
  for (auto* one : cells_)
    one->pause([self = shared_from_this()] { self->arrived(); }, retries);
}

void twin_mover::arrived() {
  if (running_.fetch_sub(1, std::memory_order_acq_rel) == 1)
    carry_out();
}

void twin_mover::carry_out() {
  gate_.close();
  std::vector<asked> done;
  auto budget = limits::moves_at_once;
  auto at = cells_.front()->time();
  // What a cell said of a twin before, in the turn that it stands still in, is not to come after
  // what another cell says of it from now on.
  for (std::size_t i = 0; i < cells_.size(); ++i)
    core(i).release_messages();
  for (;;) {
    asked one;
    {
      std::lock_guard guard{mutex_};
      if (asked_.empty())
        break;
      one = std::move(asked_.front());
      asked_.pop_front();
    }
    if (carry_out(one, budget, at)) {
      done.push_back(std::move(one));
      continue;
    }
    std::lock_guard guard{mutex_};
    asked_.push_front(std::move(one));
    break;
  }
  send_along();
  done = hold_answers(std::move(done));
  gate_.open();
  go_on(std::move(done));
}

/// With a store a move is answered when it is in the log. @returns those to be answered at once.
std::vector<twin_mover::asked> twin_mover::hold_answers(std::vector<asked> done) {
  std::vector<asked> at_once;
  for (auto& one : done) {
    if (one.touched.empty() || core(0).journal() == nullptr) {
      at_once.push_back(std::move(one));
      continue;
    }
    auto open = std::make_shared<std::atomic<std::size_t>>(one.touched.size());
    auto answered = [open, reply = std::move(one.reply)](frame answer) {
      if (open->fetch_sub(1, std::memory_order_acq_rel) == 1)
        reply(std::move(answer));
    };
    auto answer = make_outcome_reply(one.so_far);
    for (auto each : one.touched)
      core(each).answer_move(answered, answer);
  }
  return at_once;
}

/// The cells run again, what was held begins, and the moves are answered.
void twin_mover::go_on(std::vector<asked> done) {
  std::vector<std::function<void()>> held;
  bool begin = false;
  {
    std::lock_guard guard{mutex_};
    held.swap(held_);
    scans_ += held.size();
    phase_ = asked_.empty() ? phase::idle : phase::draining;
    begin = begins();
  }
  for (auto* one : cells_)
    one->resume();
  for (auto& scan : held) {
    scan();
    leave_scan();
  }
  for (auto& one : done)
    one.reply(make_outcome_reply(one.so_far));
  if (begin)
    pause_cells();
}

/// False: it has to go on when the cells stand still the next time.
bool twin_mover::carry_out(asked& one, std::size_t& budget, const moment& now) {
  auto request = one.request.message().getMove();
  std::string parent{text_of(request.getParent())};
  for (auto ids = request.getIds(); one.next < ids.size(); ++one.next) {
    if (budget == 0)
      return false;
    --budget;
    auto done = move_one(one, std::string{text_of(ids[one.next])}, parent, now);
    if (!done && done.error().code == errc::twin_busy && ++one.attempts < limits::move_attempts_max)
      return false;
    one.attempts = 0;
    if (done)
      ++one.so_far.applied;
    else
      one.so_far.failures.push_back({one.next, std::move(done.error())});
  }
  return true;
}

std::optional<twin_mover::place> twin_mover::find(const std::string& id) const {
  auto at = twins_.find(id);
  if (!at || !core(static_cast<std::size_t>(at->cell)).holds(at->row, id))
    return std::nullopt;
  return place{static_cast<std::size_t>(at->cell), at->row};
}

result<void> twin_mover::move_one(asked& of, const std::string& id, const std::string& parent,
                                  const moment& now) {
  auto from = find(id);
  if (!from)
    return fail(errc::twin_not_found, id);
  auto& source = core(from->cell);
  if (auto fine = source.check_leave(from->row); !fine)
    return fine;
  if (source.about(source.row(from->row)).parent == parent)
    return {};
  // Once in a standstill: what the cells tell each other about it has its order then.
  if (moved_ids_.contains(id))
    return fail(errc::twin_busy, id + " is being moved");
  if (auto fine = check_group(id); !fine)
    return fine;
  if (!parent.empty())
    return move_below(of, id, parent, now);
  // A root needs no siblings beside it: it stays where it is.
  source.relink(from->row, std::nullopt, now);
  moved_ids_.insert(id);
  of.touched.insert(from->cell);
  return {};
}

/// What a parent knows of its group must be so: nothing about it is on its way between the cells.
result<void> twin_mover::check_group(const std::string& id) {
  auto at = *find(id);
  auto& owner = core(at.cell);
  bool known = owner.row(at.row).has(twin_row::has_group);
  auto& there = core(static_cast<std::size_t>(owner.target_below(at.row).cell));
  auto group = there.group_of(id);
  if (known != (group != twin_row::none) || (known && !there.is_open(group)))
    return fail(errc::twin_busy, "the children of " + id + " are being joined or left");
  return {};
}

result<void> twin_mover::move_below(asked& of, const std::string& id, const std::string& parent,
                                    const moment& now) {
  if (auto fine = check_place(id, parent); !fine)
    return fine;
  if (auto fine = check_group(parent); !fine)
    return fine;
  auto from = *find(id);
  auto above = *find(parent);
  auto to = core(above.cell).target_below(above.row);
  if (auto fine = core(from.cell).check_placement(from.row, to); !fine)
    return fine;
  auto& there = core(static_cast<std::size_t>(to.cell));
  to.group = there.group_of(parent);
  bool is_first = to.group == twin_row::none;
  if (is_first)
    to.group = there.make_open_group(parent, core(above.cell), above.row);
  if (auto fine = there.admit_moved(to.group, to.cell != core(from.cell).id()); !fine) {
    // A group that was made for it: its parent never knew of it.
    there.drop_new_group(to.group);
    return fine;
  }
  core(above.cell).has_children(above.row);
  // Where the parent was may still be on its way to an earlier group of it.
  if (is_first) {
    core(above.cell).tell_moved(above.row);
    moved_ids_.insert(parent); // It was spoken of, as if it had moved.
  }
  transfer(from, to, now);
  moved_ids_.insert(id);
  of.touched.insert(static_cast<std::size_t>(to.cell));
  return {};
}

/// Whether `id` may be below `parent`: it exists, is not below `id`, and neither is too deep.
result<void> twin_mover::check_place(const std::string& id, const std::string& parent) {
  auto above = find(parent);
  if (!above)
    return fail(errc::twin_not_found, "parent " + parent);
  if (auto fine = core(above->cell).check_parent(above->row); !fine)
    return fine;
  std::size_t depth = 0;
  for (auto up = parent; !up.empty(); ++depth) {
    if (up == id)
      return fail(errc::hierarchy_cycle, parent + " is " + id + " or lies below it");
    auto at = find(up);
    GEMEL_CHECK(at.has_value());
    up = core(at->cell).about(core(at->cell).row(at->row)).parent;
  }
  return check_depth(id, depth + 1);
}

/// Whether all of the subtree of `id` fits when `id` is at `depth`.
result<void> twin_mover::check_depth(const std::string& id, std::size_t depth) {
  std::vector<std::string> level{id};
  for (auto at = depth; !level.empty(); ++at) {
    if (at > core(0).bounds().depth_max)
      return fail(errc::limit_reached, "limits.depth_max: " + id + " would be at depth "
                                           + std::to_string(depth) + ", and what is below it at "
                                           + std::to_string(at));
    std::vector<std::string> below;
    for (const auto& one : level) {
      auto where = find(one);
      if (!where || !core(where->cell).row(where->row).has(twin_row::has_group))
        continue;
      auto children = core(where->cell).target_below(where->row).cell;
      core(static_cast<std::size_t>(children)).scan({{}, one, false}, [&](std::uint32_t row) {
        below.push_back(core(static_cast<std::size_t>(children)).row(row).id.str());
      });
    }
    level = std::move(below);
  }
  return {};
}

void twin_mover::transfer(place from, const cell::target& to, const moment& now) {
  auto& source = core(from.cell);
  if (to.cell == source.id()) {
    source.relink(from.row, to, now);
    return;
  }
  auto target = static_cast<std::size_t>(to.cell);
  auto row = core(target).put_in(source.take_out(from.row, now), to, now);
  moved_[from] = {target, row};
}

/// What waits for rows that are elsewhere now goes after them.
void twin_mover::send_along() {
  if (!moved_ids_.empty())
    for (std::size_t i = 0; i < cells_.size(); ++i)
      cells_[i]->sift([&](work& item, bool control) { return keep_item(i, item, control); });
  for (auto& [to, control, item] : outgoing_)
    control ? cells_[to]->push_control(std::move(item)) : cells_[to]->push_ordered(std::move(item));
  outgoing_.clear();
  moved_.clear();
  moved_ids_.clear();
}

bool twin_mover::keep_item(std::size_t at, work& item, bool control) {
  if (std::holds_alternative<batch_part>(item))
    return keep_part(at, item);
  auto follow = [&](std::uint32_t& row) {
    auto moved = moved_.find({at, row});
    if (moved == moved_.end())
      return true;
    row = moved->second.row;
    outgoing_.push_back({moved->second.cell, control, std::move(item)});
    return false;
  };
  if (auto* addressed = std::get_if<addressed_message>(&item))
    return follow(addressed->row);
  if (auto* signal = std::get_if<exit_signal>(&item))
    return follow(signal->row);
  return true;
}

/// Where an entry of a part in cell `at` goes now; its route is changed if that is elsewhere.
std::size_t twin_mover::follow(std::size_t at, const batch& of, route& r) const {
  if (of.kind() != wire::Message::CREATE) {
    auto moved = moved_.find({at, r.row});
    if (moved == moved_.end())
      return at;
    r.row = moved->second.row;
    return moved->second.cell;
  }
  // A twin to be made has no row yet; it goes where the children of its parent are now.
  auto made = of.message().message().getCreate().getCreates()[r.index];
  std::string parent{text_of(made.getParent())};
  if (!moved_ids_.contains(parent))
    return at;
  auto above = find(parent);
  GEMEL_CHECK(above.has_value());
  auto to = core(above->cell).target_below(above->row);
  r.row = static_cast<std::uint32_t>(above->cell);
  r.shard = to.shard;
  r.pinned = to.pinned;
  return static_cast<std::size_t>(to.cell);
}

bool twin_mover::concerns(std::size_t at, const batch& of, const route& r) const {
  if (of.kind() != wire::Message::CREATE)
    return moved_.contains({at, r.row});
  auto made = of.message().message().getCreate().getCreates()[r.index];
  return moved_ids_.contains(std::string{text_of(made.getParent())});
}

/// Splits a part of a batch by where its entries go now. Those of one twin keep their order.
bool twin_mover::keep_part(std::size_t at, work& item) {
  auto& part = std::get<batch_part>(item);
  auto first = part.of->routes().begin() + part.begin;
  auto last = part.of->routes().begin() + part.end;
  if (std::none_of(first, last, [&](const route& r) { return concerns(at, *part.of, r); }))
    return true;
  if (const auto& joint = part.of->joint()) {
    // Its shares are counted by cell; whoever asked tries again.
    joint->abort(errc::twin_busy);
    return true;
  }
  std::map<std::size_t, std::vector<route>> by_cell;
  for (auto i = first; i != last; ++i)
    by_cell[follow(at, *part.of, *i)].push_back(*i);
  auto of = part.of;
  auto begin = part.begin;
  bool stays = false;
  for (const auto& [to, routes] : by_cell) {
    std::copy(routes.begin(), routes.end(), of->routes().begin() + begin);
    auto end = begin + static_cast<std::uint32_t>(routes.size());
    of->open_part();
    if (to == at) {
      stays = true;
      part.begin = begin;
      part.end = end;
    } else {
      auto& next = outgoing_.emplace_back();
      next.to = to;
      next.item = batch_part{of, begin, end};
    }
    begin = end;
  }
  // The part that there was.
  of->close_part(0);
  return stays;
}

} // namespace gemel
