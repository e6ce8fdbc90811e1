// A program of its own with gemel inside: makes twins that do something by themselves, changes
// them, watches, commands and asks for them.
#include <runtime/gemel.hpp>

#include <cstdlib>
#include <iostream>
#include <memory>
#include <span>
#include <string>
#include <utility>

// The answer, or the end of the program with what is wrong.
template <class T>
T must(gemel::result<T> answer) {
  if (!answer) {
    std::cerr << "gemel-embedded: " + to_string(answer.error()) + "\n";
    std::exit(1);
  }
  if constexpr (!std::is_void_v<T>)
    return *std::move(answer);
}

// Called by a thread of the runtime.
void print_alerts(const gemel::event_batch& events) {
  for (unsigned i = 0; i < events.size(); ++i)
    std::cout << "alert: " + std::string{events[i].id()} + " has "
                     + to_string(events[i].new_value("temperature")) + " C\n";
}

// What every twin of type `machine` does.
class machine : public gemel::behavior {
public:
  void on_update(gemel::twin_context& twin, std::span<const gemel::change_view>) override {
    const auto* temperature = twin.get("temperature");
    if (temperature != nullptr && temperature->number() > 85.0)
      ++too_hot_;
  }

  // The command `service`: answers how often the machine was too hot since the last one.
  gemel::result<gemel::value> service(gemel::twin_context& twin,
                                      const gemel::named_values& arguments) {
    const auto* by = arguments.find("by");
    if (by == nullptr)
      return gemel::fail(gemel::errc::missing_field, "say by whom: by");
    twin.set("serviced_by", *by);
    twin.emit("serviced", {{"too_hot", too_hot_}});
    return gemel::value{std::exchange(too_hot_, 0)};
  }

private:
  int too_hot_ = 0;
};

int main() {
  gemel::node_options wanted;
  wanted.behaviors["machine"] =
      gemel::behavior_type{[] { return std::make_unique<machine>(); },
                           {gemel::command("service", "Records a service", &machine::service)}};
  auto node = must(gemel::node::start(std::move(wanted)));
  must(node->create({.id = "hall", .type = "building", .properties = {{"name", "Factory A"}}}));
  for (int i = 0; i < 10; ++i)
    must(node->create({.id = "machine-" + std::to_string(i),
                       .type = "machine",
                       .parent = "hall",
                       .properties = {{"temperature", 68.5}, {"vibration_level", 0.2}}}));

  must(node->subscribe({.type = "machine", .where = "temperature > 85"}, print_alerts));
  for (int i = 0; i < 10; ++i)
    must(node->update("machine-" + std::to_string(i), {{"temperature", 77.5 + i}}));

  auto hot = must(node->query_all({.where = "temperature > 80", .order_by = "temperature"}));
  for (const auto& twin : hot)
    std::cout << "hot: " + twin.path + " has " + to_string(*twin.find("temperature")) + " C\n";

  auto times = must(node->command(
      {.id = "machine-9", .name = "service", .arguments = {{"by", "the night shift"}}}));
  std::cout << "serviced: machine-9 was too hot " + to_string(times) + " times\n";
  node->stop(); // first gives subscribers what is on its way
}
