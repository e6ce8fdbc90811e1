#include "runtime/bulk_reader.hpp"

#include "runtime/bulk_document.hpp"
#include "runtime/detail/fast_twin.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace gemel {

namespace {

constexpr std::array<std::pair<std::string_view, bulk_format>, 3> formats{
    {{"ndjson", bulk_format::ndjson}, {"json", bulk_format::json}, {"csv", bulk_format::csv}}};

// Bytes looked at to tell the format.
constexpr std::size_t glance_bytes = 65'536;

bool is_blank(std::string_view text) {
  return text.find_first_not_of(" \t\r\n") == std::string_view::npos;
}

// Whether the line is an id in quotes, of twins to delete; `"id"` alone is a CSV header.
bool is_quoted_id(std::string_view line) {
  auto content = value_from_json(line);
  return content && content->is_text() && content->as_text() != "id";
}

} // namespace

std::string_view to_string(bulk_format format) noexcept {
  return formats[static_cast<std::size_t>(format)].first;
}

std::optional<bulk_format> bulk_format_from_string(std::string_view text) noexcept {
  for (const auto& [name, format] : formats)
    if (name == text)
      return format;
  return std::nullopt;
}

std::optional<bulk_format> bulk_format_of(std::string_view file_name) noexcept {
  if (file_name.ends_with(".csv"))
    return bulk_format::csv;
  if (file_name.ends_with(".json"))
    return bulk_format::json;
  if (file_name.ends_with(".jsonl") || file_name.ends_with(".ndjson"))
    return bulk_format::ndjson;
  return std::nullopt;
}

bulk_reader::bulk_reader(options wanted, sink take)
    : wanted_{std::move(wanted)}, take_{std::move(take)} {
  if (wanted_.action == bulk_action::create)
    fast_ = std::make_unique<detail::fast_twin_reader>();
  if (wanted_.format)
    choose(*wanted_.format);
}

bulk_reader::~bulk_reader() = default;

bool bulk_reader::read_fast(std::string_view text, bulk_content& made) {
  if (!fast_)
    return false;
  new_twin twin;
  if (!fast_->read(text, twin))
    return false;
  made = std::move(twin);
  return true;
}

void bulk_reader::choose(bulk_format format) {
  auto take_text = [this](const text_record& found) { this->take_text(found); };
  if (format == bulk_format::csv)
    splitter_.emplace<csv_reader>(bulk_record_bytes_max,
                                  [this](const csv_record& found) { take_csv(found); });
  else if (format == bulk_format::json)
    splitter_.emplace<json_splitter>(bulk_record_bytes_max, take_text);
  else
    splitter_.emplace<line_splitter>(bulk_record_bytes_max, take_text);
}

// The first line that is not blank tells: a list, or an object that only begins there, is JSON;
// objects and quoted ids are lines; all else is a CSV header.
void bulk_reader::find_format() {
  std::string_view text{held_};
  if (text.starts_with("\xef\xbb\xbf"))
    text.remove_prefix(3);
  text.remove_prefix(std::min(text.find_first_not_of(" \t\r\n"), text.size()));
  auto line = text.substr(0, text.find('\n'));
  if (text.starts_with('[') || (text.starts_with('{') && is_blank(line.substr(1))))
    choose(bulk_format::json);
  else if (text.starts_with('{') || text.empty() || is_quoted_id(line))
    choose(bulk_format::ndjson);
  else
    choose(bulk_format::csv);
}

void bulk_reader::push(std::string_view chunk) {
  std::string held;
  if (splitter_.index() == 0) {
    held_ += chunk;
    auto begin = held_.find_first_not_of(" \t\r\n");
    bool is_told = begin != std::string::npos && held_.find('\n', begin) != std::string::npos;
    if (!is_told && held_.size() < glance_bytes)
      return;
    find_format();
    held = std::exchange(held_, {});
    chunk = held;
  }
  std::visit(
      [&](auto& splitter) {
        if constexpr (!std::is_same_v<std::decay_t<decltype(splitter)>, std::monostate>)
          splitter.push(chunk);
      },
      splitter_);
}

void bulk_reader::finish() {
  if (splitter_.index() == 0) {
    find_format();
    push(std::exchange(held_, {}));
  }
  std::visit(
      [](auto& splitter) {
        if constexpr (!std::is_same_v<std::decay_t<decltype(splitter)>, std::monostate>)
          splitter.finish();
      },
      splitter_);
}

void bulk_reader::give(bulk_entry made, std::uint64_t offset, std::uint64_t end, text_place where) {
  made.item.where = {items_, offset, end, where.line, where.column};
  take_(std::move(made));
}

void bulk_reader::take_text(const text_record& found) {
  if (found.bytes_too_long == 0 && is_blank(found.text))
    return;
  ++items_;
  if (found.offset < wanted_.skip)
    return;
  bulk_entry made;
  text_place where{found.line, found.column};
  if (found.bytes_too_long > 0)
    made.faults = {{errc::limit_reached,
                    wanted_.file,
                    found.line,
                    found.column,
                    {},
                    "an item of " + std::to_string(found.bytes_too_long) + " bytes",
                    "at most " + std::to_string(bulk_record_bytes_max) + " bytes are allowed"}};
  else if (!read_fast(found.text, made.item.what))
    made.faults = read_bulk_record(wanted_.action, found.text, where, wanted_.file, made.item.what);
  give(std::move(made), found.offset, found.end, where);
}

void bulk_reader::take_csv(const csv_record& found) {
  if (is_over_)
    return;
  bulk_entry made;
  text_place where{static_cast<std::size_t>(found.line), 1};
  if (!columns_) {
    columns_.emplace();
    if (found.fault != errc::none)
      made.faults = columns_->read(found, wanted_.file, made.item.what);
    else
      made.faults = csv_columns::read_header(wanted_.action, found, wanted_.file, *columns_);
    is_over_ = made.is_fatal = !made.faults.empty();
    if (is_over_)
      give(std::move(made), found.offset, found.end, where);
    return;
  }
  ++items_;
  if (found.offset < wanted_.skip)
    return;
  made.faults = columns_->read(found, wanted_.file, made.item.what);
  give(std::move(made), found.offset, found.end, where);
}

} // namespace gemel
