#include "actors/ingress.hpp"
#include "messages/wire.hpp"

#include <algorithm>

namespace gemel {

namespace {

bool was_busy(const outcome& of) {
  return std::any_of(of.failures.begin(), of.failures.end(),
                     [](const failure& f) { return f.why.code == errc::twin_busy; });
}

} // namespace

void ingress::update_atomic(atomic_request asked) {
  auto updates = asked.request.message().getUpdate().getUpdates();
  auto again = [this, asked](outcome&& what) mutable {
    if (was_busy(what) && asked.attempt < limits::atomic_attempts_max) {
      ++asked.attempt;
      return update_atomic(std::move(asked));
    }
    batch last{std::move(asked.request), 0, std::move(asked.done), asked.under_way};
    for (auto& failed : what.failures)
      last.fail(failed.index, std::move(failed.why));
    last.close_part(what.applied);
  };
  batch_ptr of{new batch{asked.request, clock_.now().steady_ns, std::move(again)}};
  std::vector<target> targets;
  targets.reserve(updates.size());
  std::vector<failure> faults;
  for (std::uint32_t i = 0; i < updates.size(); ++i) {
    auto id = text_of(updates[i].getId());
    if (auto where = twins_.find(id))
      targets.push_back({static_cast<std::uint16_t>(where->cell), {i, where->row}});
    else
      faults.push_back({i, {errc::twin_not_found, std::string{id}}});
  }
  std::stable_sort(targets.begin(), targets.end(), [](const target& a, const target& b) {
    return std::pair{a.cell, a.to.row} < std::pair{b.cell, b.to.row};
  });
  for (std::size_t i = 1; i < targets.size(); ++i)
    if (targets[i].cell == targets[i - 1].cell && targets[i].to.row == targets[i - 1].to.row)
      faults.push_back(
          {targets[i].to.index, {errc::bad_value, "an atomic batch names no twin twice"}});
  if (faults.empty())
    push_joint(of, targets, asked.number);
  else
    refuse_joint(of, faults, static_cast<std::uint32_t>(updates.size()));
  of->close_part(0);
}

/// Answers every entry of an atomic batch of which some cannot be applied.
void ingress::refuse_joint(const batch_ptr& of, std::vector<failure>& faults,
                           std::uint32_t entries) {
  std::vector<bool> told(entries);
  for (auto& fault : faults) {
    told[fault.index] = true;
    of->fail(fault.index, std::move(fault.why));
  }
  for (std::uint32_t i = 0; i < entries; ++i)
    if (!told[i])
      of->fail(i, {errc::not_applied, "another entry of the atomic batch failed"});
}

/// @param sorted by cell and row.
void ingress::push_joint(const batch_ptr& of, const std::vector<target>& sorted,
                         std::uint64_t number) {
  if (sorted.empty())
    return;
  auto joint = std::make_shared<transaction>(number, of->message(), commits_);
  auto& routes = of->routes();
  for (std::uint32_t begin = 0; begin < sorted.size();) {
    auto end = begin;
    for (; end < sorted.size() && sorted[end].cell == sorted[begin].cell; ++end)
      routes.push_back(sorted[end].to);
    joint->add_share(cell_id{sorted[begin].cell}, begin, end);
    begin = end;
  }
  // The batch lives until its last share is finished.
  joint->ready([this, of = of.get()] {
    batch_ptr kept{of};
    for (const auto& share : kept->joint()->shares())
      cells_[static_cast<std::size_t>(share.cell)]->push_ordered(
          cell_job{[kept](cell& c, const moment& now) { c.finish_atomic(kept, now); }});
  });
  of->joint(joint);
  for (std::size_t i = 0; i < joint->shares().size(); ++i)
    of->open_part();
  for (const auto& share : joint->shares()) {
    if (cells_[static_cast<std::size_t>(share.cell)]->push_data(
            batch_part{of, share.begin, share.end}))
      continue;
    joint->abort(errc::overloaded);
    if (joint->share_done())
      joint->tell();
  }
}

} // namespace gemel
