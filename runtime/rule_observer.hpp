#pragma once

#include "actors/causal_tracker.hpp"
#include "actors/log_record.hpp"
#include "actors/rule_coordinator.hpp"
#include "messages/event_batch.hpp"
#include "registry/model.hpp"
#include "runtime/twin_api.hpp"

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace gemel {

/// The name by which rules ask for an event.
std::string_view event_name(const event_view& from);

/// Makes of a node's events what rules see of them. For one thread at a time.
class rule_observer {
public:
  /// @param models must outlive this; null: the node has none.
  explicit rule_observer(const model_table* models) : models_{models} {}

  /// @param stamped whether any rule asks what happened before what.
  observed_event observed(const event_view& from, bool stamped);
  /// Of the log, which says of a change only which twin it is of; see `add_types`.
  observed_event observed(const stored_event& from, log_position at, bool stamped);
  /// Asks the node for the types and parents that the log did not say. Of a twin that is gone
  /// nobody knows them.
  void add_types(twin_api& of, std::vector<observed_event>& to);

  causal_tracker& causes() noexcept { return causes_; }

private:
  std::shared_ptr<const std::vector<std::string>> models_of(const std::string& type);

  const model_table* models_;
  causal_tracker causes_;
  std::map<std::string, std::shared_ptr<const std::vector<std::string>>> by_type_;
};

} // namespace gemel
