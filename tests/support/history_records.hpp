#pragma once

#include "actors/log_record.hpp"
#include "registry/model.hpp"
#include "tests/support/catch.hpp"

#include <map>
#include <optional>
#include <string>

namespace gemel::test {

/// Machines whose `temperature` and `mode` have a history, and `serial` has none.
inline model_table machines_with_history() {
  type_model machine;
  machine.name = "machine";
  property_model kept;
  kept.key = "temperature";
  kept.history = true;
  machine.properties.push_back(kept);
  kept.key = "mode";
  machine.properties.push_back(kept);
  kept.key = "serial";
  kept.history = false;
  machine.properties.push_back(kept);
  auto made = model_table::make({machine});
  REQUIRE(made);
  return *made;
}

/// Records of updates of machines, as cells make them. Each is a version of its own.
class history_records {
public:
  std::string update(const std::string& id, const std::string& key, std::optional<value> content,
                     std::int64_t time_us) {
    logged_change change{key_id{*names_.keys.intern(key)},
                         content ? &*content : nullptr,
                         {make_hybrid_time(time_us / 1'000, 0), make_dot(0, ++counter_)}};
    logged_event event;
    event.row = row_of(id);
    event.id = id;
    event.version = counter_;
    event.time = change.at.time;
    event.write = change.at.write;
    event.source_time_us = time_us;
    event.changes = {&change, 1};
    builder_.add(event);
    return builder_.take();
  }

private:
  std::uint32_t row_of(const std::string& id) {
    return rows_.try_emplace(id, static_cast<std::uint32_t>(rows_.size())).first->second;
  }

  symbols names_;
  symbol_cache keys_{names_.keys};
  symbol_cache types_{names_.types};
  log_record_builder builder_{keys_, types_};
  std::uint64_t counter_ = 0;
  std::map<std::string, std::uint32_t> rows_;
};

} // namespace gemel::test
