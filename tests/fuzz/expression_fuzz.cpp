#include "messages/value.hpp"
#include "registry/expression.hpp"
#include "tests/fuzz/fuzz.hpp"

#include <vector>

namespace {

using namespace gemel;

// Some value of each kind, by the number of the reference.
const value& some_value(std::size_t index) {
  static const std::vector<value> values = {
      value{},
      value{true},
      value{std::int64_t{-7}},
      value{2.5},
      value{"a_%b"},
      value{value_list{value{std::int64_t{1}}, value{"x"}}},
      value{value_map{{"a", value{value_list{value{3.0}}}}, {"b", value{"c"}}}},
      value{std::int64_t{INT64_MIN}},
      value{1e308},
  };
  return values[index % values.size()];
}

} // namespace

/// An expression of any text is refused with its place, or its normal form means the same.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  expression_options options;
  if (size > 0 && (data[0] & 1) != 0)
    options = {{"rise", "fall"}, true, true};
  auto text = fuzz::text_of(data, size);
  auto made = expression::compile(text, options);
  if (!made) {
    fuzz::expect_named(made.error());
    return 0;
  }
  std::vector<const value*> bound;
  for (std::size_t i = 0; i < made->references().size(); ++i)
    bound.push_back(i % 10 == 9 ? nullptr : &some_value(i + size));
  auto found = made->evaluate(bound);
  auto again = expression::compile(made->to_string(), options);
  fuzz::expect(again.has_value(), "a normal form is refused");
  fuzz::expect(again->to_string() == made->to_string(), "a normal form is not normal");
  fuzz::expect(again->references().size() == bound.size(), "other references");
  fuzz::expect(again->evaluate(bound) == found, "a normal form means something else");
  fuzz::expect(made->test(bound) == (found.is_bool() && found.as_bool()), "the truth differs");
  return 0;
}
