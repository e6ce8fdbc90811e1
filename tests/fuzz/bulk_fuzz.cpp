#include "runtime/bulk_document.hpp"
#include "runtime/csv_columns.hpp"
#include "runtime/record_splitter.hpp"
#include "runtime/twin_document.hpp"
#include "tests/fuzz/fuzz.hpp"

#include <memory>
#include <vector>

namespace {

using namespace gemel;

constexpr std::size_t record_bytes_max = 2'000;

// Whether pieces of the input make the records of the whole.
template <class Reader, class Record, class Sink>
void compare_pieces(std::string_view text, std::size_t step, Sink describe) {
  auto read = [&](std::size_t size) {
    std::vector<std::string> made;
    Reader reader{record_bytes_max, [&](const Record& one) { made.push_back(describe(one)); }};
    for (std::size_t at = 0; at < text.size(); at += size)
      reader.push(text.substr(at, size));
    reader.finish();
    return made;
  };
  fuzz::expect(read(text.size() + 1) == read(step), "pieces make other records");
}

std::string describe_text(const text_record& one) {
  return std::string{one.text} + "|" + std::to_string(one.offset) + "|" + std::to_string(one.end)
         + "|" + std::to_string(one.line) + ":" + std::to_string(one.column) + "|"
         + std::to_string(one.bytes_too_long);
}

std::string describe_csv(const csv_record& one) {
  auto made = std::to_string(one.offset) + "|" + std::to_string(one.end) + "|" + one.fault_text;
  if (one.fault == errc::none)
    for (const auto& field : one.fields)
      made += "|" + field.text;
  return made;
}

void read_csv(bulk_action action, std::string_view text) {
  csv_columns columns;
  std::size_t seen = 0;
  auto usable = true;
  csv_reader reader{record_bytes_max, [&](const csv_record& one) {
                      if (!usable || one.fault != errc::none)
                        return;
                      fault_list faults;
                      bulk_content made;
                      if (seen++ == 0) {
                        faults = csv_columns::read_header(action, one, "fuzz.csv", columns);
                        usable = faults.empty();
                      } else {
                        faults = columns.read(one, "fuzz.csv", made);
                      }
                      if (!faults.empty())
                        fuzz::expect_named(faults);
                      else if (seen > 1)
                        fuzz::expect(frame_bytes_of(made) > 0, "an item without bytes");
                    }};
  reader.push(text);
  reader.finish();
}

void read_lines(bulk_action action, std::string_view text) {
  line_splitter lines{record_bytes_max, [&](const text_record& one) {
                        bulk_content made;
                        auto faults = read_bulk_record(action, one.text, {one.line, 1}, "f", made);
                        if (!faults.empty())
                          fuzz::expect_named(faults);
                      }};
  lines.push(text);
  lines.finish();
  auto ignore = [](new_twin, text_place) {};
  for (auto faults : {read_twin_lines(text, "f", ignore), read_twin_document(text, "f", ignore)})
    if (!faults.empty())
      fuzz::expect_named(faults);
}

} // namespace

/// Files of bulk work, of any bytes: CSV, JSON lines, JSON. The first byte says which, what is done
/// with it, and how it is cut into pieces.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2)
    return 0;
  auto text = fuzz::text_of(data + 1, size - 1);
  auto action = static_cast<bulk_action>(data[0] % 4);
  std::size_t step = 1 + data[0] / 64 * 3u;
  if (data[0] & 4) {
    compare_pieces<csv_reader, csv_record>(text, step, describe_csv);
    read_csv(action, text);
  } else {
    compare_pieces<line_splitter, text_record>(text, step, describe_text);
    compare_pieces<json_splitter, text_record>(text, step, describe_text);
    read_lines(action, text);
  }
  return 0;
}
