#include "workflows/rule_state.hpp"

namespace gemel {

rule_state::rule_state(std::shared_ptr<const rule> of) : meant_{of}, acting_{std::move(of)} {
  make_engine();
}

void rule_state::make_engine() {
  gate_.emplace(meant_->output(), meant_->limits().keys);
  if (meant_->window())
    windows_.emplace(*meant_->window(), meant_->limits());
  else
    matcher_.emplace(meant_->pattern(), meant_->limits());
}

bool rule_state::replace(std::shared_ptr<const rule> next) {
  auto is_kept = next->meaning() == meant_->meaning();
  acting_ = std::move(next);
  if (!is_kept) {
    matcher_.reset();
    windows_.reset();
    meant_ = acting_;
    make_engine();
  }
  return is_kept;
}

void rule_state::take(const value& key, const rule_event_ptr& event, match_output& into) {
  gate_->advance(event->time_ms(), into.matches);
  auto known = into.matches.size();
  windows_ ? windows_->take(key, event, into) : matcher_->take(key, event, into);
  gate_->filter(into.matches, known);
}

void rule_state::advance(std::int64_t now, match_output& into) {
  auto known = into.matches.size();
  windows_ ? windows_->advance(now, into) : matcher_->advance(now, into);
  gate_->filter(into.matches, known);
  gate_->advance(now, into.matches);
}

void rule_state::finish(match_output& into) {
  auto known = into.matches.size();
  windows_ ? windows_->finish(into) : matcher_->finish(into);
  gate_->filter(into.matches, known);
  gate_->finish(into.matches);
}

match_counters rule_state::counters() const noexcept {
  return windows_ ? windows_->counters() : matcher_->counters();
}

std::size_t rule_state::keys() const noexcept {
  return windows_ ? windows_->keys() : matcher_->keys();
}

std::size_t rule_state::bytes() const noexcept {
  return windows_ ? windows_->bytes() : matcher_->bytes();
}

std::size_t rule_state::open() const noexcept {
  return windows_ ? windows_->windows_open() : matcher_->runs_open();
}

} // namespace gemel
