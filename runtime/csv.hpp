#pragma once

#include "messages/error.hpp"
#include "messages/text.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

/// Comma-separated values as in RFC 4180: fields in double quotes may hold commas, line feeds and,
/// doubled, quotes; a line ends with CR LF or LF.
namespace gemel {

struct csv_field {
  std::string text{};
  /// Of its first character, a quote included.
  text_place where{};
  bool quoted = false;
};

struct csv_record {
  std::vector<csv_field> fields{};
  /// Bytes before the record, and before what follows it.
  std::uint64_t offset = 0;
  std::uint64_t end = 0;
  std::uint64_t line = 1;
  /// `errc::none`, or what is wrong with the record as a whole, at `fault_place`; the fields are
  /// then of no use, and reading goes on behind its line.
  errc fault = errc::none;
  std::string fault_text{};
  text_place fault_place{};
};

/// Lives during the call.
using csv_sink = std::function<void(const csv_record&)>;

/// Reads records as their bytes come. Leaves out a byte order mark and blank lines.
class csv_reader {
public:
  /// @param bytes_max of one record's fields; a longer one is a fault.
  csv_reader(std::size_t bytes_max, csv_sink sink)
      : bytes_max_{bytes_max}, sink_{std::move(sink)} {}

  void push(std::string_view chunk);
  void finish();

private:
  enum class state : std::uint8_t {
    field_start,
    plain,
    quoted,
    quote_in_quoted, // its end, or the first of a doubled one
    skipping,        // to the end of the line, after a fault
  };

  void step(char c);
  std::size_t take_run(std::string_view rest);
  void begin_field();
  void add(std::string_view text);
  void end_record(std::uint64_t end);
  void refuse(errc code, std::string what, text_place where);
  void drop_carriage_return();
  void after_quote(char c);
  text_place here() const { return {line_, column_}; }

  std::size_t bytes_max_;
  csv_sink sink_;
  state state_ = state::field_start;
  csv_record record_;
  std::size_t used_ = 0; // fields of the present record; the others keep their memory
  std::size_t size_ = 0; // bytes of the present record's fields
  std::uint64_t at_ = 0;
  std::size_t line_ = 1;
  std::size_t column_ = 1;
};

/// Appends the field, in quotes if it needs them.
void append_csv_field(std::string& out, std::string_view text);

} // namespace gemel
