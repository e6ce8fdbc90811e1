#include "runtime/csv.hpp"

#include <algorithm>

namespace gemel {

namespace {

constexpr std::string_view byte_order_mark = "\xef\xbb\xbf";

bool begins_character(char c) noexcept {
  return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
}

} // namespace

void csv_reader::push(std::string_view chunk) {
  for (std::size_t i = 0; i < chunk.size();) {
    if (auto run = take_run(chunk.substr(i)); run > 0) {
      i += run;
      continue;
    }
    auto c = chunk[i++];
    bool is_mark = at_ < byte_order_mark.size() && c == byte_order_mark[at_];
    if (!is_mark)
      step(c);
    ++at_;
    if (c == '\n') {
      ++line_;
      column_ = 1;
    } else if (!is_mark && begins_character(c)) {
      ++column_;
    }
    if (used_ == 0 && size_ == 0 && state_ == state::field_start && c == '\n') {
      record_.offset = at_;
      record_.line = line_;
    }
  }
}

// Bytes without a meaning of their own, all at once: they are most of a file.
std::size_t csv_reader::take_run(std::string_view rest) {
  if (state_ != state::plain && state_ != state::quoted)
    return 0;
  bool is_plain = state_ == state::plain;
  std::size_t size = 0;
  std::size_t characters = 0;
  for (; size < rest.size(); ++size) {
    auto c = rest[size];
    if (c == '"' || c == '\n' || (is_plain && c == ','))
      break;
    characters += begins_character(c) ? 1 : 0;
  }
  if (size > 0)
    add(rest.substr(0, size));
  at_ += size;
  column_ += characters;
  return size;
}

void csv_reader::begin_field() {
  if (used_ == record_.fields.size())
    record_.fields.emplace_back();
  auto& made = record_.fields[used_++];
  made.text.clear();
  made.quoted = false;
  made.where = here();
  state_ = state::plain;
}

void csv_reader::add(std::string_view text) {
  size_ += text.size();
  if (size_ <= bytes_max_)
    record_.fields[used_ - 1].text += text;
  else
    refuse(errc::limit_reached,
           "a record of more than " + std::to_string(bytes_max_)
               + " bytes; is a closing '\"' missing?",
           {record_.line, 1});
}

void csv_reader::refuse(errc code, std::string what, text_place where) {
  if (record_.fault != errc::none)
    return;
  record_.fault = code;
  record_.fault_text = std::move(what);
  record_.fault_place = where;
  state_ = state::skipping;
}

void csv_reader::step(char c) {
  switch (state_) {
  case state::field_start:
    begin_field();
    if (c == '"') {
      record_.fields[used_ - 1].quoted = true;
      state_ = state::quoted;
      return;
    }
    [[fallthrough]];
  case state::plain:
    if (c == ',') {
      state_ = state::field_start;
      return;
    }
    if (c == '\n') {
      drop_carriage_return();
      return end_record(at_ + 1);
    }
    if (c == '"')
      return refuse(errc::bad_syntax,
                    "a quote inside a field that does not begin with one; put the field in quotes "
                    "and double the quotes inside",
                    here());
    return add({&c, 1});
  case state::quoted:
    if (c == '"')
      state_ = state::quote_in_quoted;
    else
      add({&c, 1});
    return;
  case state::quote_in_quoted:
    return after_quote(c);
  case state::skipping:
    if (c == '\n')
      end_record(at_ + 1);
  }
}

void csv_reader::after_quote(char c) {
  if (c == '"') {
    state_ = state::quoted;
    return add({&c, 1});
  }
  if (c == ',') {
    state_ = state::field_start;
    return;
  }
  if (c == '\n')
    return end_record(at_ + 1);
  if (c != '\r')
    refuse(errc::bad_syntax, "text behind the closing quote of a field", here());
}

// Of CR LF; a quoted field's is not in its text.
void csv_reader::drop_carriage_return() {
  auto& last = record_.fields[used_ - 1];
  if (!last.quoted && last.text.ends_with('\r'))
    last.text.pop_back();
}

void csv_reader::end_record(std::uint64_t end) {
  record_.end = end;
  bool is_blank = used_ == 1 && record_.fields[0].text.empty() && !record_.fields[0].quoted;
  if (record_.fault != errc::none || !is_blank) {
    // Spare fields are cut off, but only when their number changes: records are mostly alike.
    if (used_ < record_.fields.size())
      record_.fields.resize(used_);
    sink_(record_);
  }
  record_.fault = errc::none;
  used_ = size_ = 0;
  state_ = state::field_start;
}

void csv_reader::finish() {
  if (state_ == state::quoted)
    refuse(errc::bad_syntax, "the input ends inside a quoted field",
           used_ > 0 ? record_.fields[used_ - 1].where : here());
  if (state_ == state::field_start && used_ > 0)
    begin_field(); // behind the last comma
  if (used_ > 0 || record_.fault != errc::none) {
    if (used_ > 0)
      drop_carriage_return();
    end_record(at_);
  }
}

void append_csv_field(std::string& out, std::string_view text) {
  bool needs_quotes = text.find_first_of(",\"\r\n") != std::string_view::npos
                      || (!text.empty() && (text.front() == ' ' || text.back() == ' '));
  if (!needs_quotes) {
    out += text;
    return;
  }
  out += '"';
  for (auto c : text)
    if (c == '"')
      out += "\"\"";
    else
      out += c;
  out += '"';
}

} // namespace gemel
