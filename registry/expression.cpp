#include "registry/expression.hpp"

#include "messages/limits.hpp"
#include "messages/names.hpp"
#include "registry/detail/program.hpp"

namespace gemel {

namespace {

result<void> check_text(std::string_view text, std::string_view what) {
  if (text.size() > limits::expression_bytes_max)
    return fail(errc::limit_reached,
                std::string{what} + " has " + std::to_string(text.size()) + " bytes, at most "
                    + std::to_string(limits::expression_bytes_max) + " are allowed");
  if (is_utf8(text))
    return {};
  // The first byte behind the longest prefix that is UTF-8.
  std::size_t good = 0;
  for (std::size_t length = 1; good + length <= text.size() && length <= 4;) {
    auto whole = is_utf8(text.substr(good, length));
    good += whole ? length : 0;
    length = whole ? 1 : length + 1;
  }
  return fail(errc::bad_syntax, to_string(place_of(text, good)) + ": not UTF-8");
}

} // namespace

const value* follow(const value* root, std::span<const path_step> path) noexcept {
  for (const auto& step : path) {
    if (root == nullptr)
      return nullptr;
    if (const auto* key = std::get_if<std::string>(&step)) {
      root = root->find(*key);
    } else {
      auto index = *std::get_if<std::size_t>(&step);
      root = root->is_list() && index < root->as_list().size() ? &root->as_list()[index] : nullptr;
    }
  }
  return root;
}

expression::expression(std::shared_ptr<const detail::program> program)
    : program_(std::move(program)) {
}

result<expression> expression::compile(std::string_view text, const expression_options& options) {
  if (auto checked = check_text(text, "an expression"); !checked)
    return tl::unexpected<error>(checked.error());
  auto tree = detail::parse_expression(text, options);
  if (!tree)
    return tl::unexpected<error>(tree.error());
  auto program = std::make_shared<const detail::program>(detail::make_program(std::move(*tree)));
  if (auto checked = check_text(program->text, "an expression, normalised,"); !checked)
    return tl::unexpected<error>(checked.error());
  return expression{std::move(program)};
}

std::span<const reference> expression::references() const noexcept {
  return program_->references;
}

value expression::evaluate(std::span<const value* const> bound) const {
  GEMEL_CHECK(bound.size() == program_->references.size());
  detail::scratch room;
  return detail::run(*program_, bound, room).to_value();
}

bool expression::test(std::span<const value* const> bound) const {
  GEMEL_CHECK(bound.size() == program_->references.size());
  return detail::test(*program_, bound);
}

const std::string& expression::to_string() const noexcept {
  return program_->text;
}

std::vector<conjunct> conjuncts_of(std::string_view text, const expression_options& options) {
  auto tree = detail::parse_expression(text, options);
  if (!tree)
    return {};
  auto print = [&](const detail::node& part) {
    return detail::print_expression({part, tree->references});
  };
  auto is_and = tree->root.kind == detail::node_kind::logical_and;
  std::vector<conjunct> made;
  for (const auto& part : is_and ? tree->root.children : std::vector{tree->root}) {
    auto is_equality = part.kind == detail::node_kind::comparison
                       && part.comparison == detail::comparison_kind::equal;
    made.push_back({print(part), is_equality ? print(part.children[0]) : std::string{},
                    is_equality ? print(part.children[1]) : std::string{}});
  }
  return made;
}

} // namespace gemel
