#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

/// Cuts inputs of any length into records as their bytes come, holding one record at a time.
namespace gemel {

/// One record of a text, as it stands.
struct text_record {
  /// Without the line feed; lives during the call. Of a record that is too long: empty.
  std::string_view text{};
  /// Bytes before the record, and before what follows it.
  std::uint64_t offset = 0;
  std::uint64_t end = 0;
  /// Of its first byte, both counted from 1; the column in bytes.
  std::uint64_t line = 1;
  std::uint64_t column = 1;
  /// 0: the record is whole. Else it has so many bytes, more than are allowed.
  std::uint64_t bytes_too_long = 0;
};

using text_record_sink = std::function<void(const text_record&)>;

/// Lines that end with a line feed, or with the input. A byte order mark before the first one is
/// left out.
class line_splitter {
public:
  /// A line of more than `bytes_max` is reported without its text, and the next one read as usual.
  line_splitter(std::size_t bytes_max, text_record_sink sink)
      : bytes_max_{bytes_max}, sink_{std::move(sink)} {}

  void push(std::string_view chunk);
  /// The input has ended.
  void finish();

private:
  void keep(std::string_view piece);
  void emit(std::string_view rest, std::uint64_t end);

  std::size_t bytes_max_;
  text_record_sink sink_;
  std::string held_;         // the beginning of the present line, from earlier chunks
  std::uint64_t size_ = 0;   // bytes of the present line so far, before the chunk
  std::uint64_t offset_ = 0; // of the present line
  std::uint64_t at_ = 0;     // bytes seen
  std::uint64_t line_ = 1;
};

/// JSON values one after the other, with blanks or nothing between them; of a list at the outermost
/// level, its elements. Brackets and quotes are counted and nothing else is checked: whoever reads
/// a record finds its faults, and after a record with one bracket too few everything is lost.
class json_splitter {
public:
  json_splitter(std::size_t bytes_max, text_record_sink sink)
      : bytes_max_{bytes_max}, sink_{std::move(sink)} {}

  void push(std::string_view chunk);
  void finish();

private:
  void step(char c);
  void begin();
  void emit(std::uint64_t end);
  bool is_separator(char c);

  std::size_t bytes_max_;
  text_record_sink sink_;
  std::string held_;
  bool inside_ = false; // a record
  bool in_list_ = false;
  bool in_text_ = false;
  bool escaped_ = false;
  bool is_plain_ = false; // the record is a number or a word
  std::uint64_t depth_ = 0;
  std::uint64_t size_ = 0;
  std::uint64_t at_ = 0;
  std::uint64_t line_ = 1;
  std::uint64_t column_ = 1;
  text_record where_;
};

} // namespace gemel
