#include "messages/limits.hpp"
#include "messages/text.hpp"
#include "registry/detail/syntax_tree.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>

namespace gemel::detail {

namespace {

constexpr aggregate_function aggregates[] = {aggregate_function::first, aggregate_function::last,
                                             aggregate_function::prev,  aggregate_function::count,
                                             aggregate_function::sum,   aggregate_function::avg,
                                             aggregate_function::min,   aggregate_function::max};

enum class token_kind : std::uint8_t { end, number, text, name, quoted_name, symbol, broken };

struct token {
  token_kind kind = token_kind::end;
  std::size_t at = 0;     // byte offset
  std::string_view chars; // as written
};

bool is_digit(char c) noexcept {
  return c >= '0' && c <= '9';
}

// Cuts the text into tokens, one at a time.
class lexer {
public:
  explicit lexer(std::string_view text) : text_(text) {}

  token next() {
    while (at_ < text_.size() && std::string_view{" \t\r\n"}.find(text_[at_]) < 4)
      ++at_;
    if (at_ == text_.size())
      return {token_kind::end, at_, {}};
    auto c = text_[at_];
    if (is_digit(c))
      return take(token_kind::number, number_length());
    if (c == '\'' || c == '"')
      return quoted(c);
    if (begins_name(c))
      return take(token_kind::name, name_length());
    return take(token_kind::symbol, symbol_length());
  }

private:
  token take(token_kind kind, std::size_t length) {
    token taken{kind, at_, text_.substr(at_, length)};
    at_ += taken.chars.size();
    return taken;
  }

  // Up to the closing quote; a doubled quote is part of the content.
  token quoted(char quote) {
    for (auto end = at_ + 1; end < text_.size(); ++end) {
      if (text_[end] != quote)
        continue;
      if (end + 1 < text_.size() && text_[end + 1] == quote)
        ++end;
      else
        return take(quote == '"' ? token_kind::quoted_name : token_kind::text, end + 1 - at_);
    }
    return take(token_kind::broken, text_.size() - at_);
  }

  std::size_t digits(std::size_t from) const {
    auto end = from;
    while (end < text_.size() && is_digit(text_[end]))
      ++end;
    return end - from;
  }

  std::size_t number_length() const {
    auto end = at_ + digits(at_);
    if (end < text_.size() && text_[end] == '.' && digits(end + 1) > 0)
      end += 1 + digits(end + 1);
    if (end < text_.size() && (text_[end] == 'e' || text_[end] == 'E')) {
      auto sign = end + 1 < text_.size() && (text_[end + 1] == '-' || text_[end + 1] == '+');
      if (auto exponent = digits(end + 1 + sign); exponent > 0)
        end += 1 + sign + exponent;
    }
    return end - at_;
  }

  std::size_t name_length() const {
    auto end = at_ + 1;
    while (end < text_.size() && continues_name(text_[end]))
      ++end;
    return end - at_;
  }

  std::size_t symbol_length() const {
    constexpr std::string_view pairs[] = {"==", "!=", "<>", "<=", ">=", "&&", "||"};
    auto two = text_.substr(at_, 2);
    return std::find(std::begin(pairs), std::end(pairs), two) != std::end(pairs) ? 2 : 1;
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

// The content of a text or name in quotes: every second quote of a pair goes.
std::string unquoted(std::string_view chars) {
  std::string content;
  auto quote = chars.front();
  for (std::size_t i = 1; i + 1 < chars.size(); ++i) {
    content += chars[i];
    if (chars[i] == quote)
      ++i;
  }
  return content;
}

std::optional<comparison_kind> comparison_of(std::string_view symbol) noexcept {
  constexpr std::pair<std::string_view, comparison_kind> known[] = {
      {"=", comparison_kind::equal},    {"==", comparison_kind::equal},
      {"!=", comparison_kind::unequal}, {"<>", comparison_kind::unequal},
      {"<", comparison_kind::less},     {"<=", comparison_kind::less_equal},
      {">", comparison_kind::greater},  {">=", comparison_kind::greater_equal},
  };
  for (const auto& [text, kind] : known)
    if (text == symbol)
      return kind;
  return std::nullopt;
}

// Recursive descent, one function per rule of the grammar in expression.hpp. Each returns whether
// it succeeded and puts its node into `made`; the first fault stays. Recursion is bounded: every
// way back into `read_or`, `read_not` or `read_unary` goes through a `level`.
class parser {
public:
  parser(std::string_view text, const expression_options& options)
      : text_(text), options_(options), lexer_(text), token_(lexer_.next()) {}

  result<syntax_tree> parse() {
    if (!read_or(tree_.root) || !expect_end())
      return tl::unexpected<error>(fault_);
    return std::move(tree_);
  }

private:
  // ---- faults

  bool refuse(errc code, std::size_t at, std::string what) {
    if (fault_.code == errc::none)
      fault_ = {code, to_string(place_of(text_, at)) + ": " + std::move(what)};
    return false;
  }

  bool expected(std::string_view what) {
    if (token_.kind == token_kind::broken)
      return refuse(errc::bad_syntax, token_.at,
                    std::string{token_.chars.front() == '"' ? "a name" : "a text"}
                        + " without its closing quote");
    auto found = token_.kind == token_kind::end
                     ? std::string{"the end"}
                     : "'" + std::string{token_.chars.substr(0, found_length())} + "'";
    return refuse(errc::bad_syntax, token_.at,
                  "expected " + std::string{what} + ", found " + found);
  }

  // A fault shows the whole token, of a long one the beginning, and no half character.
  std::size_t found_length() const {
    auto length = std::min<std::size_t>(token_.chars.size(), 40);
    while (length < token_.chars.size()
           && (static_cast<unsigned char>(token_.chars[length]) & 0xc0) == 0x80)
      ++length;
    return length;
  }

  bool expect_end() {
    if (token_.kind == token_kind::end)
      return true;
    if (token_.kind == token_kind::symbol && comparison_of(token_.chars))
      return refuse(errc::bad_syntax, token_.at,
                    "comparisons do not chain; join two of them with AND");
    return expected("an operator or the end");
  }

  bool too_deep(std::size_t at) {
    return refuse(errc::limit_reached, at,
                  "nested deeper than " + std::to_string(limits::expression_depth_max));
  }

  // ---- tokens

  void advance() { token_ = lexer_.next(); }

  bool at_symbol(std::string_view symbol) const {
    return token_.kind == token_kind::symbol && token_.chars == symbol;
  }

  bool accept(std::string_view symbol) {
    if (!at_symbol(symbol))
      return false;
    advance();
    return true;
  }

  bool expect(std::string_view symbol) {
    return accept(symbol) || expected("'" + std::string{symbol} + "'");
  }

  bool at_keyword(std::string_view word) const {
    return token_.kind == token_kind::name && same_word(token_.chars, word);
  }

  bool accept_keyword(std::string_view word) {
    if (!at_keyword(word))
      return false;
    advance();
    return true;
  }

  bool expect_keyword(std::string_view word, std::string_view shown) {
    return accept_keyword(word) || expected(shown);
  }

  // ---- nodes

  // Ends a node whose children are in place.
  bool finish(node& made, std::size_t at) {
    for (const auto& child : made.children)
      made.depth = std::max(made.depth, child.depth + 1);
    return made.depth <= limits::expression_depth_max || too_deep(at);
  }

  // Makes `made` the first child of a new node of `kind` in its place.
  static void wrap(node& made, node_kind kind) {
    node outer;
    outer.kind = kind;
    outer.children.push_back(std::move(made));
    made = std::move(outer);
  }

  static bool negate(node& made) {
    wrap(made, node_kind::logical_not);
    return true;
  }

  // Adds an operand to an `and` or `or`; a nested one of the same kind gives its children.
  static void add_operand(node& joined, node operand) {
    if (operand.kind != joined.kind) {
      joined.children.push_back(std::move(operand));
      return;
    }
    for (auto& child : operand.children)
      joined.children.push_back(std::move(child));
  }

  // ---- the grammar

  class level {
  public:
    explicit level(std::size_t& depth) : depth_(++depth) {}
    level(const level&) = delete;
    ~level() { --depth_; }
    bool fits() const { return depth_ <= limits::expression_depth_max; }

  private:
    std::size_t& depth_;
  };

  bool read_or(node& made) {
    return read_joined(made, node_kind::logical_or, "or", "||", &parser::read_and);
  }

  bool read_and(node& made) {
    return read_joined(made, node_kind::logical_and, "and", "&&", &parser::read_not);
  }

  bool read_joined(node& made, node_kind kind, std::string_view word, std::string_view symbol,
                   bool (parser::*read_operand)(node&)) {
    auto at = token_.at;
    if (!(this->*read_operand)(made))
      return false;
    if (!at_keyword(word) && !at_symbol(symbol))
      return true;
    node joined;
    joined.kind = kind;
    add_operand(joined, std::move(made));
    while (accept_keyword(word) || accept(symbol)) {
      node operand;
      if (!(this->*read_operand)(operand))
        return false;
      add_operand(joined, std::move(operand));
    }
    made = std::move(joined);
    return finish(made, at);
  }

  bool read_not(node& made) {
    auto at = token_.at;
    if (!accept_keyword("not") && !accept("!"))
      return read_test(made);
    level nested{nesting_};
    if (!nested.fits())
      return too_deep(at);
    return read_not(made) && negate(made) && finish(made, at);
  }

  bool read_test(node& made) {
    auto at = token_.at;
    if (!read_sum(made))
      return false;
    if (token_.kind == token_kind::symbol)
      if (auto comparison = comparison_of(token_.chars))
        return read_comparison(made, *comparison, at);
    if (accept_keyword("is"))
      return read_is(made, at);
    auto negated = accept_keyword("not");
    if (accept_keyword("in"))
      return read_in(made) && finish(made, at) && finish_test(made, negated, at);
    if (accept_keyword("like"))
      return read_like(made) && finish(made, at) && finish_test(made, negated, at);
    if (accept_keyword("between"))
      return read_between(made) && finish(made, at) && finish_test(made, negated, at);
    return !negated || expected("IN, LIKE or BETWEEN after NOT");
  }

  bool finish_test(node& made, bool negated, std::size_t at) {
    return !negated || (negate(made) && finish(made, at));
  }

  bool read_comparison(node& made, comparison_kind comparison, std::size_t at) {
    advance();
    wrap(made, node_kind::comparison);
    made.comparison = comparison;
    return read_sum(made.children.emplace_back()) && finish(made, at);
  }

  bool read_is(node& made, std::size_t at) {
    auto negated = accept_keyword("not");
    if (!expect_keyword("null", negated ? "NULL after IS NOT" : "NULL or NOT NULL after IS"))
      return false;
    wrap(made, node_kind::is_null);
    return finish(made, at) && finish_test(made, negated, at);
  }

  bool read_in(node& made) {
    wrap(made, node_kind::in_list);
    if (!accept("(")) {
      made.kind = node_kind::in_path;
      if (token_.kind != token_kind::quoted_name && !at_plain_name())
        return expected("'(' or a path after IN");
      return read_path(made.children.emplace_back());
    }
    do {
      if (!read_sum(made.children.emplace_back()))
        return false;
    } while (accept(","));
    return expect_close("',' or ')'");
  }

  bool expect_close(std::string_view shown) { return accept(")") || expected(shown); }

  bool read_like(node& made) {
    wrap(made, node_kind::like);
    return read_sum(made.children.emplace_back());
  }

  bool read_between(node& made) {
    wrap(made, node_kind::between);
    return read_sum(made.children.emplace_back())
           && expect_keyword("and", "AND between the bounds of BETWEEN")
           && read_sum(made.children.emplace_back());
  }

  bool read_sum(node& made) {
    constexpr std::pair<std::string_view, arithmetic_kind> known[] = {
        {"+", arithmetic_kind::add}, {"-", arithmetic_kind::subtract}};
    return read_chain(made, known, &parser::read_product);
  }

  bool read_product(node& made) {
    constexpr std::pair<std::string_view, arithmetic_kind> known[] = {
        {"*", arithmetic_kind::multiply},
        {"/", arithmetic_kind::divide},
        {"%", arithmetic_kind::remainder}};
    return read_chain(made, known, &parser::read_unary);
  }

  bool read_chain(node& made, std::span<const std::pair<std::string_view, arithmetic_kind>> known,
                  bool (parser::*read_operand)(node&)) {
    if (!(this->*read_operand)(made))
      return false;
    for (;;) {
      auto at = token_.at;
      auto found = std::find_if(known.begin(), known.end(),
                                [&](const auto& entry) { return at_symbol(entry.first); });
      if (found == known.end())
        return true;
      advance();
      wrap(made, node_kind::arithmetic);
      made.arithmetic = found->second;
      if (!(this->*read_operand)(made.children.emplace_back()) || !finish(made, at))
        return false;
    }
  }

  bool read_unary(node& made) {
    auto at = token_.at;
    if (!accept("-"))
      return read_primary(made);
    if (token_.kind == token_kind::number)
      return read_number(made, true);
    level nested{nesting_};
    if (!nested.fits())
      return too_deep(at);
    if (!read_unary(made))
      return false;
    if (made.kind == node_kind::constant && made.constant.is_number()) {
      made.constant = negated_number(made.constant);
      return true;
    }
    wrap(made, node_kind::negation);
    return finish(made, at);
  }

  static value negated_number(const value& number) {
    if (number.is_integer() && number.as_integer() != std::numeric_limits<std::int64_t>::min())
      return -number.as_integer();
    return -*number.number();
  }

  bool at_plain_name() const {
    return token_.kind == token_kind::name && !is_keyword(token_.chars);
  }

  bool read_primary(node& made) {
    switch (token_.kind) {
    case token_kind::number:
      return read_number(made, false);
    case token_kind::text:
      return read_constant(made, value{unquoted(token_.chars)});
    case token_kind::quoted_name:
      return read_path(made);
    case token_kind::name:
      return read_named(made);
    default:
      return at_symbol("(") ? read_group(made) : expected_operand();
    }
  }

  bool expected_operand() { return expected("a value, a name or '('"); }

  bool read_constant(node& made, value constant) {
    made.constant = std::move(constant);
    advance();
    return true;
  }

  bool read_number(node& made, bool negative) {
    auto written = (negative ? "-" : "") + std::string{token_.chars};
    auto end = written.data() + written.size();
    std::int64_t whole = 0;
    if (auto [stop, ec] = std::from_chars(written.data(), end, whole);
        ec == std::errc{} && stop == end)
      return read_constant(made, value{whole});
    double number = 0;
    auto ec = std::from_chars(written.data(), end, number).ec;
    if (ec != std::errc{} || !std::isfinite(number))
      return refuse(errc::bad_syntax, token_.at, "the number is out of the range of a double");
    return read_constant(made, value{number});
  }

  bool read_named(node& made) {
    if (at_keyword("true") || at_keyword("false"))
      return read_constant(made, value{at_keyword("true")});
    if (at_keyword("null"))
      return read_constant(made, value{});
    if (is_keyword(token_.chars))
      return expected_operand();
    auto name = token_;
    advance();
    return at_symbol("(") ? read_call(made, name) : read_path_from(made, name);
  }

  bool read_group(node& made) {
    level nested{nesting_};
    if (!nested.fits())
      return too_deep(token_.at);
    advance();
    return read_or(made) && expect_close("an operator or ')'");
  }

  // ---- paths

  bool read_path(node& made) {
    auto name = token_;
    advance();
    return read_path_from(made, name);
  }

  bool read_path_from(node& made, const token& first) {
    reference found;
    if (!read_steps(found, first))
      return false;
    if (found.root.empty())
      return refuse(errc::bad_syntax, first.at,
                    "'" + found.scope + "' has no value of its own; name one of it, as in "
                        + found.scope + ".temperature");
    refer(made, std::move(found));
    return true;
  }

  // The names and indexes from `first` on; splits off the scope.
  bool read_steps(reference& found, const token& first) {
    found.place = place_of(text_, first.at);
    std::vector<path_step> steps;
    if (!read_name(steps, first))
      return false;
    for (;;) {
      if (accept(".")) {
        auto name = token_;
        if (name.kind != token_kind::name && name.kind != token_kind::quoted_name)
          return expected("a name after '.'");
        advance();
        if (!read_name(steps, name))
          return false;
      } else if (accept("[")) {
        if (!read_index(steps))
          return false;
      } else {
        break;
      }
    }
    return split(found, std::move(steps), first);
  }

  bool read_name(std::vector<path_step>& steps, const token& name) {
    auto plain = name.kind == token_kind::name;
    auto content = plain ? std::string{name.chars} : unquoted(name.chars);
    if (content.empty())
      return refuse(errc::bad_syntax, name.at, "a name in quotes is empty");
    steps.emplace_back(std::move(content));
    return true;
  }

  bool read_index(std::vector<path_step>& steps) {
    std::size_t index = 0;
    auto end = token_.chars.data() + token_.chars.size();
    auto [stop, ec] = std::from_chars(token_.chars.data(), end, index);
    if (token_.kind != token_kind::number || ec != std::errc{} || stop != end)
      return expected("an index (a whole number from 0)");
    advance();
    steps.emplace_back(index);
    return expect("]");
  }

  bool split(reference& found, std::vector<path_step> steps, const token& first) {
    auto front = std::get<std::string>(steps.front());
    auto scoped =
        std::find(options_.scopes.begin(), options_.scopes.end(), front) != options_.scopes.end();
    std::size_t taken = 1;
    (scoped ? found.scope : found.root) = front;
    if (scoped && steps.size() > 1) {
      auto* name = std::get_if<std::string>(&steps[1]);
      if (name == nullptr)
        return refuse(errc::bad_syntax, first.at, "'" + front + "' is no list");
      found.root = *name;
      taken = 2;
    }
    found.path.assign(std::make_move_iterator(steps.begin() + static_cast<std::ptrdiff_t>(taken)),
                      std::make_move_iterator(steps.end()));
    return true;
  }

  void refer(node& made, reference found) {
    made.kind = node_kind::reference;
    auto& all = tree_.references;
    auto known = std::find(all.begin(), all.end(), found);
    made.reference = static_cast<std::size_t>(known - all.begin());
    if (known == all.end())
      all.push_back(std::move(found));
  }

  // ---- calls

  bool read_call(node& made, const token& name) {
    level nested{nesting_};
    if (!nested.fits())
      return too_deep(name.at);
    advance();
    if (same_word(name.chars, "is_of_model"))
      return read_name_test(made, reference_kind::model_test, "the name of a model", name);
    if (same_word(name.chars, "has_capability"))
      return read_name_test(made, reference_kind::capability_test, "a capability", name);
    if (same_word(name.chars, "changed"))
      return read_change_test(made, name);
    for (auto function : aggregates)
      if (same_word(name.chars, to_string(function)))
        return read_aggregate(made, function, name);
    for (const auto& function : functions)
      if (same_word(name.chars, function.name))
        return read_function(made, function, name);
    return unknown_function(name);
  }

  bool unknown_function(const token& name) {
    std::vector<std::string_view> names{"is_of_model", "has_capability"};
    for (const auto& function : functions)
      names.push_back(function.name);
    if (options_.changes)
      names.emplace_back("changed");
    if (options_.aggregates)
      for (auto function : aggregates)
        names.push_back(to_string(function));
    auto nearest = nearest_word(name.chars, names);
    auto hint = nearest.empty() ? "" : "; did you mean '" + std::string{nearest} + "'?";
    return refuse(errc::bad_syntax, name.at,
                  "unknown function '" + std::string{name.chars.substr(0, 64)} + "'" + hint);
  }

  bool read_name_test(node& made, reference_kind kind, const std::string& what, const token& name) {
    if (token_.kind != token_kind::text)
      return expected(what + " as a text in quotes");
    reference found;
    found.kind = kind;
    found.root = unquoted(token_.chars);
    found.place = place_of(text_, name.at);
    if (found.root.empty())
      return refuse(errc::bad_syntax, token_.at, what + " is empty");
    advance();
    refer(made, std::move(found));
    return expect_close("')'");
  }

  bool read_change_test(node& made, const token& name) {
    if (!options_.changes)
      return refuse(errc::bad_syntax, name.at,
                    "'changed' looks at an event and is allowed in subscriptions only");
    if (token_.kind != token_kind::quoted_name && !at_plain_name())
      return expected("the path of a property");
    auto first = token_;
    advance();
    reference found;
    found.kind = reference_kind::change_test;
    if (!read_steps(found, first))
      return false;
    if (!found.scope.empty())
      return refuse(errc::bad_syntax, first.at,
                    "'changed' compares old and new itself; name the property without '"
                        + found.scope + ".'");
    found.place = place_of(text_, name.at);
    refer(made, std::move(found));
    return expect_close("')'");
  }

  bool read_aggregate(node& made, aggregate_function function, const token& name) {
    if (!options_.aggregates)
      return refuse(errc::bad_syntax, name.at,
                    "'" + std::string{to_string(function)}
                        + "' reads the events of a stage and is allowed in rules only");
    if (token_.kind != token_kind::quoted_name && !at_plain_name())
      return expected("a path into a stage");
    auto first = token_;
    advance();
    reference found;
    found.kind = reference_kind::aggregate;
    found.function = function;
    if (!read_steps(found, first))
      return false;
    found.place = place_of(text_, name.at);
    refer(made, std::move(found));
    if (!accept(","))
      return expect_close("',' or ')'");
    wrap(made, node_kind::fallback);
    return read_or(made.children.emplace_back()) && finish(made, name.at)
           && expect_close("an operator or ')'");
  }

  bool read_function(node& made, const function_entry& function, const token& name) {
    made.kind = node_kind::call;
    made.function = function.id;
    if (!at_symbol(")")) {
      do {
        if (!read_or(made.children.emplace_back()))
          return false;
      } while (accept(","));
    }
    if (!expect_close("an operator, ',' or ')'"))
      return false;
    if (made.children.size() != function.arguments) {
      return refuse(errc::bad_syntax, name.at,
                    "'" + std::string{function.name} + "' takes "
                        + std::to_string(function.arguments)
                        + (function.arguments == 1 ? " argument, " : " arguments, ")
                        + std::to_string(made.children.size()) + " given");
    }
    return finish(made, name.at);
  }

  std::string_view text_;
  const expression_options& options_;
  lexer lexer_;
  token token_;
  syntax_tree tree_;
  error fault_;
  std::size_t nesting_ = 0; // parentheses, calls, NOT and minus that are open now
};

} // namespace

bool same_word(std::string_view a, std::string_view b) noexcept {
  auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [&](char x, char y) { return lower(x) == lower(y); });
}

bool is_keyword(std::string_view word) noexcept {
  return std::any_of(std::begin(keywords), std::end(keywords),
                     [&](std::string_view keyword) { return same_word(word, keyword); });
}

bool begins_name(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'
         || static_cast<unsigned char>(c) >= 0x80;
}

bool continues_name(char c) noexcept {
  return begins_name(c) || is_digit(c);
}

result<syntax_tree> parse_expression(std::string_view text, const expression_options& options) {
  return parser{text, options}.parse();
}

} // namespace gemel::detail
