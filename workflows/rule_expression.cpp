#include "workflows/rule_expression.hpp"

#include <algorithm>
#include <array>
#include <optional>

namespace gemel {

namespace {

const value yes{true};
const value no{false};

const value* value_in(const rule_event& event, const reference& what) {
  const auto* root = read(event, event_field_of(what.root), what.root);
  return what.kind == reference_kind::aggregate ? follow(root, what.path) : root;
}

// The event of `stage` that is `back` before its last one.
const rule_event* event_before(const event_chain& bound, std::uint32_t stage, std::size_t back) {
  for (const auto* at = bound.last(); at != nullptr; at = at->before)
    if (at->stage == stage && back-- == 0)
      return at->event.get();
  return nullptr;
}

const rule_event* first_event(const event_chain& bound, std::uint32_t stage) {
  const rule_event* found = nullptr;
  for (const auto* at = bound.last(); at != nullptr; at = at->before)
    if (at->stage == stage)
      found = at->event.get();
  return found;
}

value count_of(const reference& what, std::uint32_t stage, const event_chain& bound) {
  std::int64_t count = 0;
  for (const auto* at = bound.last(); at != nullptr; at = at->before) {
    if (at->stage != stage)
      continue;
    const auto* found = what.root.empty() ? &at->event->time : value_in(*at->event, what);
    count += found != nullptr && !found->is_null() ? 1 : 0;
  }
  return value{count};
}

// sum, avg, min and max of the numbers.
value number_of(const reference& what, std::uint32_t stage, const event_chain& bound) {
  double sum = 0;
  std::int64_t count = 0;
  std::int64_t whole = 0;
  bool is_whole = true;
  std::optional<value> extreme;
  for (const auto* at = bound.last(); at != nullptr; at = at->before) {
    const auto* found = at->stage == stage ? value_in(*at->event, what) : nullptr;
    if (found == nullptr || !found->is_number())
      continue;
    ++count;
    sum += *found->number();
    is_whole = is_whole && found->is_integer()
               && !__builtin_add_overflow(whole, found->as_integer(), &whole);
    auto is_further =
        !extreme
        || (what.function == aggregate_function::min ? *found->number() < *extreme->number()
                                                     : *found->number() > *extreme->number());
    if (is_further)
      extreme = *found;
  }
  if (what.function == aggregate_function::sum)
    return is_whole ? value{whole} : value{sum};
  if (count == 0)
    return {};
  if (what.function == aggregate_function::avg)
    return value{sum / static_cast<double>(count)};
  return *extreme;
}

} // namespace

const value* resolve_stage(const reference& what, std::uint32_t stage, const event_chain& bound,
                           value& room) {
  const rule_event* event = nullptr;
  switch (what.function) {
  case aggregate_function::none:
  case aggregate_function::last:
    event = event_before(bound, stage, 0);
    break;
  case aggregate_function::prev:
    event = event_before(bound, stage, 1);
    break;
  case aggregate_function::first:
    event = first_event(bound, stage);
    break;
  case aggregate_function::count:
    room = count_of(what, stage, bound);
    return &room;
  case aggregate_function::sum:
  case aggregate_function::avg:
  case aggregate_function::min:
  case aggregate_function::max:
    room = number_of(what, stage, bound);
    return room.is_null() ? nullptr : &room;
  }
  return event != nullptr ? value_in(*event, what) : nullptr;
}

rule_expression::rule_expression(expression code, std::span<const std::string> stages)
    : code_{std::move(code)} {
  for (const auto& one : code_.references()) {
    source from{no_stage, event_field_of(one.root), one.kind == reference_kind::model_test};
    auto stage = std::find(stages.begin(), stages.end(), one.scope);
    if (!one.scope.empty() && stage != stages.end())
      from.stage = static_cast<std::uint32_t>(stage - stages.begin());
    sources_.push_back(from);
  }
}

template <class Use>
auto rule_expression::with_bound(const rule_event* now, const event_chain& bound,
                                 const Use& use) const {
  auto references = code_.references();
  auto bind = [&](std::span<const value*> values, std::vector<value>& made) {
    for (std::size_t i = 0; i < sources_.size(); ++i) {
      if (sources_[i].is_model) {
        values[i] = now != nullptr && is_of_model(*now, references[i].root) ? &yes : &no;
        continue;
      }
      if (sources_[i].stage == no_stage) {
        values[i] = now != nullptr ? read(*now, sources_[i].field, references[i].root) : nullptr;
        continue;
      }
      made.resize(sources_.size()); // Once: pointers into it stay.
      values[i] = resolve_stage(references[i], sources_[i].stage, bound, made[i]);
    }
    return use(std::span<const value* const>{values});
  };
  std::vector<value> made;
  std::array<const value*, 8> few{}; // Most expressions have no more.
  if (sources_.size() <= few.size())
    return bind(std::span{few}.first(sources_.size()), made);
  std::vector<const value*> many(sources_.size(), nullptr);
  return bind(many, made);
}

bool rule_expression::test(const rule_event* now, const event_chain& bound) const {
  return with_bound(now, bound, [&](auto values) { return code_.test(values); });
}

value rule_expression::evaluate(const rule_event* now, const event_chain& bound) const {
  return with_bound(now, bound, [&](auto values) { return code_.evaluate(values); });
}

} // namespace gemel
