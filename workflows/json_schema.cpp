#include "workflows/json_schema.hpp"

#include <nlohmann/json.hpp>
#include <valijson/adapters/nlohmann_json_adapter.hpp>
#include <valijson/schema.hpp>
#include <valijson/schema_parser.hpp>
#include <valijson/validation_results.hpp>
#include <valijson/validator.hpp>

#include <exception>

namespace gemel {

namespace {

nlohmann::json json_of(const value& content) {
  switch (content.kind()) {
  case value_kind::boolean:
    return content.as_bool();
  case value_kind::integer:
    return content.as_integer();
  case value_kind::real:
    return content.as_real();
  case value_kind::text:
    return std::string{content.as_text()};
  case value_kind::list: {
    auto list = nlohmann::json::array();
    for (const auto& one : content.as_list())
      list.push_back(json_of(one));
    return list;
  }
  case value_kind::map: {
    auto map = nlohmann::json::object();
    for (const auto& one : content.as_map())
      map[one.key] = json_of(one.content);
    return map;
  }
  case value_kind::null:
  case value_kind::bytes:
    break;
  }
  return nullptr;
}

// `<root>[a][0]` as a JSON pointer.
std::string pointer_of(const std::vector<std::string>& context) {
  std::string pointer;
  for (std::size_t i = 1; i < context.size(); ++i) {
    auto step = context[i];
    if (step.size() >= 2 && step.front() == '[' && step.back() == ']')
      step = step.substr(1, step.size() - 2);
    if (step.size() >= 2 && step.front() == '"' && step.back() == '"')
      step = step.substr(1, step.size() - 2);
    pointer += "/" + step;
  }
  return pointer;
}

} // namespace

// The library throws for what is no schema.
result<void> check_schema(const value& schema, const value& content) {
  auto about = json_of(schema);
  valijson::Schema compiled;
  try {
    valijson::SchemaParser parser;
    parser.populateSchema(valijson::adapters::NlohmannJsonAdapter{about}, compiled);
  } catch (const std::exception& why) {
    return fail(errc::bad_syntax, std::string{"the schema: "} + why.what());
  }
  auto target = json_of(content);
  valijson::Validator validator;
  valijson::ValidationResults results;
  if (validator.validate(compiled, valijson::adapters::NlohmannJsonAdapter{target}, &results))
    return {};
  // The first ones are the general ones; the last one names the place.
  valijson::ValidationResults::Error one;
  std::string text = "it is not as the schema says";
  if (results.popError(one))
    text =
        (one.context.size() > 1 ? pointer_of(one.context) + ": " : std::string{}) + one.description;
  return fail(errc::bad_value, text);
}

result<void> check_input(const workflow& document, const value& input) {
  if (document.input_schema().is_null())
    return {};
  auto fine = check_schema(document.input_schema(), input);
  if (!fine)
    return fail(fine.error().code, "input: " + fine.error().context);
  return {};
}

} // namespace gemel
