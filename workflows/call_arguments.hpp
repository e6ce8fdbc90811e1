#pragma once

#include "messages/fault.hpp"
#include "workflows/object_reader.hpp"

namespace gemel {

/// The arguments of one call of a service, read strictly.
class call_arguments {
public:
  /// @param from a map; null: none.
  explicit call_arguments(const value& from)
      : held_{from.is_null() ? value{value_map{}} : from}, reader{held_, "", "the arguments",
                                                                  faults_} {}
  call_arguments(const call_arguments&) = delete; // the reader refers to it
  call_arguments& operator=(const call_arguments&) = delete;

  /// All that is wrong, as one error.
  result<void> finish() {
    reader.finish();
    if (faults_.empty())
      return {};
    return fail(faults_.front().code, to_string(faults_));
  }

private:
  value held_;
  fault_list faults_;

public:
  object_reader reader;
};

} // namespace gemel
