#pragma once

#include "registry/expression.hpp"
#include "workflows/event_chain.hpp"
#include "workflows/template_value.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace gemel {

/// An expression over the event at hand and what the stages of a rule have bound. A plain
/// `hot.speed` is that of the last event of `hot`; `prev` is the one before the last. Numbers are
/// those that are there: a stage that bound nothing has count 0, sum 0, and no avg, min or max.
class rule_expression {
public:
  /// @param stages names in their order; the scopes that `code` was compiled with.
  rule_expression(expression code, std::span<const std::string> stages);

  /// @param now null where no event is at hand, as in `select`.
  bool test(const rule_event* now, const event_chain& bound) const;
  value evaluate(const rule_event* now, const event_chain& bound) const;

  const expression& code() const noexcept { return code_; }

private:
  static constexpr std::uint32_t no_stage = ~std::uint32_t{0};
  struct source {
    std::uint32_t stage = no_stage;
    event_field field = event_field::property;
    bool is_model = false;
  };
  // Calls `use` with the values of all references.
  template <class Use>
  auto with_bound(const rule_event* now, const event_chain& bound, const Use& use) const;

  expression code_;
  std::vector<source> sources_;
};

/// The value of a reference with a stage's scope over what is bound.
/// @param room holds the value where it had to be calculated.
const value* resolve_stage(const reference& what, std::uint32_t stage, const event_chain& bound,
                           value& room);

} // namespace gemel
