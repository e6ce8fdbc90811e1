#pragma once

#include "messages/fault.hpp"
#include "runtime/bulk_item.hpp"
#include "runtime/csv.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace gemel {

/// The columns of a CSV file, by its header. Names of columns:
///
///     id type parent placement          of a twin to create; of update and delete `id`
///     id name source_time_us            of emit
///     if_version source_time_us         of update
///     path version state updated_at has_children    not read, like `type`, `parent` and
///                                       `placement` where they have no meaning
///     temperature                       a property, its values typed as on the command line: JSON
///                                       if it is valid JSON, else the text
///     serial:text                       a property of one kind: text, int, double, bool, bytes
///                                       (base64), json
///     .type                             a property whose name is one of the above
///
/// An empty field is an absent property. A property whose name holds a colon needs its kind.
class csv_columns {
public:
  /// @returns the faults, all of them; empty: `made` is set.
  static fault_list read_header(bulk_action action, const csv_record& header, std::string_view file,
                                csv_columns& made);

  /// Reads one item. @returns the faults; empty: `made` is set.
  fault_list read(const csv_record& record, std::string_view file, bulk_content& made) const;

private:
  enum class role : std::uint8_t {
    property,
    id,
    type,
    parent,
    placement,
    name,
    if_version,
    source_time,
    ignored,
  };
  enum class kind : std::uint8_t { any, text, integer, real, boolean, bytes, json };
  struct column {
    role what = role::property;
    kind of = kind::any;
    std::string key{};
  };
  struct row;

  static result<column> parse_column(bulk_action action, std::string_view text);
  static result<value> parse_value(kind of, std::string_view text);
  result<void> take(const column& which, const csv_field& field, row& made) const;

  bulk_action action_ = bulk_action::create;
  std::vector<column> columns_;
};

} // namespace gemel
