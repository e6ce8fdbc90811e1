#pragma once

#include "runtime/bulk_item.hpp"
#include "runtime/csv_columns.hpp"
#include "runtime/record_splitter.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

namespace gemel {

/// How items are written: JSON objects one per line; JSON objects of any form, also in a list; CSV.
enum class bulk_format : std::uint8_t { ndjson, json, csv };

/// `ndjson`, `json`, `csv`.
std::string_view to_string(bulk_format format) noexcept;
std::optional<bulk_format> bulk_format_from_string(std::string_view text) noexcept;

/// By the end of a file's name: `.csv`, `.json`, `.jsonl`, `.ndjson`.
std::optional<bulk_format> bulk_format_of(std::string_view file_name) noexcept;

/// One item as it was read.
struct bulk_entry {
  bulk_item item{};
  /// Empty: the item is right. Else it is not to be sent.
  fault_list faults{};
  /// The file as a whole cannot be read (a CSV header); nothing comes after it.
  bool is_fatal = false;
};

namespace detail {
class fast_twin_reader;
} // namespace detail

/// Reads items as the bytes of a file come, holding one at a time.
class bulk_reader {
public:
  using sink = std::function<void(bulk_entry)>;

  struct options {
    bulk_action action = bulk_action::create;
    /// Nothing: by how the text begins.
    std::optional<bulk_format> format{};
    /// As faults name it.
    std::string file{};
    /// Items that begin before this byte are counted, and not read.
    std::uint64_t skip = 0;
  };

  bulk_reader(options wanted, sink take);
  ~bulk_reader();
  bulk_reader(const bulk_reader&) = delete;
  bulk_reader& operator=(const bulk_reader&) = delete;

  void push(std::string_view chunk);
  void finish();

private:
  void choose(bulk_format format);
  void find_format();
  void take_text(const text_record& found);
  bool read_fast(std::string_view text, bulk_content& made);
  void take_csv(const csv_record& found);
  void give(bulk_entry made, std::uint64_t offset, std::uint64_t end, text_place where);

  options wanted_;
  sink take_;
  std::variant<std::monostate, line_splitter, json_splitter, csv_reader> splitter_;
  std::string held_;                               // until the format is known
  std::unique_ptr<detail::fast_twin_reader> fast_; // of create
  std::uint64_t items_ = 0;
  std::optional<csv_columns> columns_;
  bool is_over_ = false; // after a fatal fault
};

} // namespace gemel
