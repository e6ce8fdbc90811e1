#pragma once

#include "messages/fault.hpp"
#include "workflows/json_document.hpp"

#include <string>

namespace gemel {

/// Makes a rule's document of one that was written for Ververica's or Alibaba's dynamic Flink CEP:
/// a graph with `nodes` and `edges`. Conditions of the type AVIATOR are taken over, as are those
/// made of others by AND, OR and NOT; such a rule finds what it found there.
/// @param name of the rule; empty: that of the graph.
/// @returns all that cannot be taken over with its pointer in `from`, such as a condition that is a
///          Java class (errc::unsupported). The document made is to be read by `rule::read`, which
///          finds what is wrong with the expressions.
tl::expected<value, fault_list> import_flink_rule(const json_document& from,
                                                  const std::string& name = {});

} // namespace gemel
