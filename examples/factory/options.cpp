#include "examples/factory/options.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

namespace gemel::factory {

namespace {

constexpr double value_max = 1e15;

constexpr const char* examples = R"(
Examples:
  gemel-demo                                  a shift of 8 hours of 100 machines
  gemel-demo --machines 1000 --hours 2        more machines, fewer hours
  gemel-demo --keep                           then ask the node with the program gemel
  gemel-demo --replay series.csv --below 45   alerts of a recorded series

Exit codes: 0 done, 1 something broke, 2 wrong options or input.)";

// A number from `low` to `high`; unlike CLI::Range it does not let NaN through.
CLI::Validator between(double low, double high) {
  auto wrong = [low, high](const std::string& text) {
    double number = 0;
    bool good = CLI::detail::lexical_cast(text, number) && number >= low && number <= high;
    return good ? std::string{} : fmt::format("'{}' is no number from {} to {}", text, low, high);
  };
  return {wrong, ""};
}

void declare_shift(CLI::App& app, demo_options& options) {
  app.add_option("--machines", options.machines, "Machines of the factory, 1 to 100000")
      ->check(between(1, demo_machines_max))
      ->capture_default_str();
  app.add_option("--hours", options.hours, "Simulated hours, 0.1 to 168")
      ->check(between(0.1, demo_hours_max))
      ->capture_default_str();
  app.add_option("--seed", options.seed, "Of all that is left to chance in the plant")
      ->check(CLI::NonNegativeNumber.description("")) // else CLI11 wraps -1 round
      ->capture_default_str();
  app.add_flag("--keep", options.keep, "Leave the node running until Ctrl-C");
  app.add_flag("--quiet", options.quiet, "Print the summary only");
}

void declare_replay(CLI::App& app, demo_options& options) {
  auto* replay =
      app.add_option("--replay", options.replay, "Feed one machine from a CSV (timestamp,value)")
          ->type_name("FILE");
  app.add_option("--windows", options.windows, "Labelled windows of that series, as NAB has them")
      ->type_name("FILE")
      ->needs(replay);
  app.add_option("--threshold", options.threshold, "Alert above this value (default: 85)")
      ->check(between(-value_max, value_max))
      ->needs(replay);
  app.add_option("--below", options.below, "Alert below this value")
      ->check(between(-value_max, value_max))
      ->needs(replay);
}

} // namespace

tl::expected<demo_options, early_end> parse_options(int argc, const char* const* argv) {
  demo_options options;
  CLI::App app{"A factory of live twins: a plant model drives them, a subscription watches them."};
  app.name("gemel-demo");
  app.footer(examples);
  declare_shift(app, options);
  declare_replay(app, options);
  for (const char* name : {"--machines", "--hours", "--seed"})
    app.get_option("--replay")->excludes(app.get_option(name));
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    return tl::unexpected{early_end{0, app.help()}};
  } catch (const CLI::ParseError& wrong) {
    return tl::unexpected{
        early_end{2, std::string{"gemel-demo: "} + wrong.what() + "\nTry 'gemel-demo --help'.\n"}};
  }
  if (!options.threshold && !options.below)
    options.threshold = 85.0;
  return options;
}

} // namespace gemel::factory
