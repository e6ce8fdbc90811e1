#include "runtime/record_splitter.hpp"

namespace gemel {

namespace {

constexpr std::string_view byte_order_mark = "\xef\xbb\xbf";

} // namespace

// ---- lines ----------------------------------------------------------------------------------

void line_splitter::push(std::string_view chunk) {
  for (auto end = chunk.find('\n'); end != std::string_view::npos; end = chunk.find('\n')) {
    at_ += end + 1;
    emit(chunk.substr(0, end), at_);
    chunk.remove_prefix(end + 1);
  }
  keep(chunk);
  at_ += chunk.size();
}

void line_splitter::keep(std::string_view piece) {
  size_ += piece.size();
  if (size_ <= bytes_max_)
    held_ += piece;
  else
    held_.clear();
}

void line_splitter::emit(std::string_view rest, std::uint64_t end) {
  text_record found{.offset = offset_, .end = end, .line = line_};
  if (size_ + rest.size() > bytes_max_) {
    found.bytes_too_long = size_ + rest.size();
  } else if (size_ == 0) {
    found.text = rest;
  } else {
    held_ += rest;
    found.text = held_;
  }
  if (line_ == 1 && found.text.starts_with(byte_order_mark))
    found.text.remove_prefix(byte_order_mark.size());
  sink_(found);
  held_.clear();
  size_ = 0;
  offset_ = end;
  ++line_;
}

void line_splitter::finish() {
  if (size_ > 0)
    emit({}, at_);
}

// ---- JSON values ----------------------------------------------------------------------------

void json_splitter::push(std::string_view chunk) {
  for (auto c : chunk) {
    bool is_mark = at_ < byte_order_mark.size() && c == byte_order_mark[at_];
    if (!is_mark)
      step(c);
    ++at_;
    column_ = c == '\n' ? 1 : column_ + (is_mark ? 0 : 1);
    line_ += c == '\n' ? 1 : 0;
  }
}

bool json_splitter::is_separator(char c) {
  if (c == ' ' || c == '\n' || c == '\r' || c == '\t')
    return true;
  if (c == '[' && !in_list_)
    return in_list_ = true;
  if (c == ']' && in_list_) {
    in_list_ = false;
    return true;
  }
  return c == ',' && in_list_;
}

void json_splitter::begin() {
  inside_ = true;
  in_text_ = escaped_ = is_plain_ = false;
  depth_ = size_ = 0;
  held_.clear();
  where_ = {.offset = at_, .line = line_, .column = column_};
}

void json_splitter::step(char c) {
  if (inside_ && is_plain_ && (is_separator(c) || c == '{' || c == '[' || c == '"'))
    emit(at_);
  if (!inside_) {
    if (is_separator(c))
      return;
    begin();
  }
  if (++size_ <= bytes_max_)
    held_ += c;
  if (in_text_) {
    bool is_end = c == '"' && !escaped_;
    escaped_ = c == '\\' && !escaped_;
    in_text_ = !is_end;
  } else if (c == '"') {
    in_text_ = true;
  } else if (c == '{' || c == '[') {
    ++depth_;
  } else if ((c == '}' || c == ']') && depth_ > 0) {
    --depth_;
  } else {
    is_plain_ = depth_ == 0;
  }
  if (depth_ == 0 && !in_text_ && !is_plain_)
    emit(at_ + 1);
}

void json_splitter::emit(std::uint64_t end) {
  where_.end = end;
  where_.bytes_too_long = size_ > bytes_max_ ? size_ : 0;
  where_.text = size_ > bytes_max_ ? std::string_view{} : held_;
  inside_ = false;
  sink_(where_);
}

void json_splitter::finish() {
  if (inside_)
    emit(at_);
}

} // namespace gemel
