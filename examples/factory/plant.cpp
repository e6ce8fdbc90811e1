#include "examples/factory/plant.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <string>

namespace gemel::factory {

namespace {

constexpr std::uint32_t machines_max = 1'000'000;
constexpr double age_hours_max = 1'000'000.0;
constexpr double step_seconds_max = 86'400.0;
constexpr double seconds_per_hour = 3'600.0;

// The hall: 22 degrees, 3 K up and down over the day, warmest at 15:00.
constexpr double hall_mean_celsius = 22.0;
constexpr double hall_swing_kelvin = 3.0;
constexpr double hall_warmest_hour = 15.0;

// The spindle head: 80 kg of steel at 475 J/(kg K).
constexpr double heat_capacity_j_per_k = 38'000.0;
// 1 m2 in moving air, 10 W/(m2 K): Incropera et al., "Fundamentals of Heat and Mass Transfer".
constexpr double air_w_per_k = 10.0;
// The coolant jacket with a clean filter.
constexpr double coolant_w_per_k = 31.0;
constexpr double cooling_min = 0.02;
constexpr double cooling_as_maintained = 0.85;

// The drive: rated power, loss at load, the loss's share that reaches the front bearing.
constexpr double rated_watts = 15'000.0;
constexpr double standby_watts = 400.0;
constexpr double motor_loss = 0.12;
constexpr double motor_loss_to_bearing = 0.25;

// Four angular contact ball bearings, bore 70 mm, oil-air lubricated with ISO VG 22.
constexpr double bearings = 4.0;
constexpr double mean_diameter_mm = 95.0;
constexpr double dynamic_rating_n = 50'000.0;
constexpr double preload_n = 1'500.0;
constexpr double cutting_force_n = 2'500.0; // at full load
constexpr double viscous_factor = 1.7;      // f0 for oil mist
constexpr double load_factor = 0.0003;      // f1
constexpr double viscosity_at_40_mm2_s = 22.0;
constexpr double viscosity_slope_per_k = 0.035;

// Bearing damage: size of the first spall, running hours in which a spall grows e-fold, friction
// added by a full one. Spalls under load grow ever faster: Kotzalas and Harris, "Fatigue Failure
// Progression in Ball Bearings", ASME J. Tribology 123 (2001). The hours are at the fast end.
constexpr double spall_at_onset = 0.01;
constexpr double spall_growth_hours = 8.0;
constexpr double spall_friction = 4.0;
constexpr double spall_vibration_mm_s = 6.0;

constexpr double temperature_noise_k = 0.2; // Pt100 class A, IEC 60751: 0.15 K + 0.002 t
constexpr double vibration_noise = 0.03;

// Equivalent load of one bearing in newtons, at a share of the rated power.
double bearing_load(double load) noexcept {
  return preload_n + cutting_force_n * load;
}

// Oil thins out when warm: an exponential fit to the Walther curve (ASTM D341) of VG 22, 20-100 C.
double viscosity(double celsius) noexcept {
  return viscosity_at_40_mm2_s * std::exp(-viscosity_slope_per_k * (celsius - 40.0));
}

// Heat of healthy bearings. Palmgren's friction torque in N mm, viscous and load part, and its
// power: Harris, "Rolling Bearing Analysis": M0 = 1e-7 f0 (nu n)^(2/3) dm^3, M1 = f1 P dm,
// H = 1.047e-4 n M.
double bearing_watts(double rpm, double load, double celsius) noexcept {
  double flow = std::cbrt(viscosity(celsius) * rpm);
  double viscous = 1e-7 * viscous_factor * flow * flow * std::pow(mean_diameter_mm, 3);
  double loaded = load_factor * bearing_load(load) * mean_diameter_mm;
  return 1.047e-4 * rpm * bearings * (viscous + loaded);
}

// How long one bearing of many lasts, in rating lives: Weibull with slope 10/9 (ball bearings; ISO
// 281, Lundberg and Palmgren 1947), where 90 % reach 1. The earliest percent has failed before the
// plant was handed over.
double drawn_life(random_stream& random) noexcept {
  double survivors = random.between(1e-6, 0.99);
  return std::pow(std::log(survivors) / std::log(0.9), 0.9);
}

struct range {
  double low;
  double high;
};

double drawn(random_stream& random, range of) noexcept {
  return random.between(of.low, of.high);
}

constexpr range loading_s{30, 120};
constexpr range waiting_s{300, 900}; // no workpiece at hand
constexpr double waiting_chance = 0.08;
constexpr range tool_change_s{4, 9};
constexpr range cut_variation{0.9, 1.1};

} // namespace

std::string_view to_string(machine_status status) noexcept {
  constexpr std::array<std::string_view, 4> names{"idle", "cutting", "tool_change", "alarm"};
  auto index = static_cast<std::size_t>(status);
  return index < names.size() ? names[index] : "unknown";
}

std::string_view to_string(machine_fault fault) noexcept {
  constexpr std::array<std::string_view, 3> names{"none", "worn_bearing", "clogged_cooling"};
  auto index = static_cast<std::size_t>(fault);
  return index < names.size() ? names[index] : "unknown";
}

char vibration_zone(double mm_s) noexcept {
  return mm_s <= 1.4 ? 'A' : mm_s <= 2.8 ? 'B' : mm_s <= 4.5 ? 'C' : 'D';
}

result<void> check(const plant_options& options) {
  if (options.machines < 1 || options.machines > machines_max)
    return fail(errc::bad_value, "machines is " + std::to_string(options.machines)
                                     + ", it must be 1 to " + std::to_string(machines_max));
  auto faulty = std::uint64_t{options.worn_bearings} + options.clogging_filters;
  if (faulty > options.machines)
    return fail(errc::bad_value, "worn_bearings and clogging_filters are " + std::to_string(faulty)
                                     + " machines, there are " + std::to_string(options.machines));
  if (!(options.start_hour >= 0.0 && options.start_hour <= 24.0))
    return fail(errc::bad_value,
                "start_hour is " + std::to_string(options.start_hour) + ", it must be 0 to 24");
  if (!(options.age_hours >= 0.0 && options.age_hours <= age_hours_max))
    return fail(errc::bad_value,
                "age_hours is " + std::to_string(options.age_hours) + ", it must be 0 to 1000000");
  return {};
}

// ---- the machine -----------------------------------------------------------------------------

plant::machine::machine(const plant_options& options, std::uint32_t index, double hall)
    : schedule{options.seed, 2ull * index}, sensors{options.seed, 2ull * index + 1} {
  tools_per_part = schedule.whole(2, 5);
  program_rpm = schedule.between(5'500, 9'000);
  program_load = schedule.between(0.4, 0.85);
  cut_s = schedule.between(90, 300);
  celsius = start_celsius = hall + schedule.between(0.0, 3.0);
  cooling = schedule.between(0.78, 1.0);
  clogging_hours = schedule.between(3'000, 6'000);
  life = drawn_life(schedule);
  life_used =
      life * schedule.between(0.0, 0.6) + lives_used_by(options.age_hours * seconds_per_hour);
  begin(machine_status::idle, schedule.between(0.0, loading_s.high));
}

void plant::machine::advance(double hall, double seconds) {
  if (remaining_s <= 0)
    begin_next_phase();
  exchange_heat(hall, seconds);
  wear(seconds);
  remaining_s -= seconds;
  if (celsius >= trip_celsius && status != machine_status::alarm)
    begin(machine_status::alarm, 0);
}

void plant::machine::begin(machine_status phase, double seconds) {
  status = phase;
  remaining_s = seconds;
  fault = diagnose();
}

void plant::machine::begin_next_phase() {
  switch (status) {
  case machine_status::idle:
    tools_left = tools_per_part;
    return begin(machine_status::cutting, cut_s * drawn(schedule, cut_variation));
  case machine_status::cutting:
    --tools_left;
    return begin(machine_status::tool_change, drawn(schedule, tool_change_s));
  case machine_status::tool_change:
    if (tools_left > 0)
      return begin(machine_status::cutting, cut_s * drawn(schedule, cut_variation));
    ++parts;
    return begin(machine_status::idle,
                 drawn(schedule, schedule.unit() < waiting_chance ? waiting_s : loading_s));
  case machine_status::alarm:
    if (celsius <= restart_celsius)
      begin(machine_status::idle, drawn(schedule, loading_s));
    return;
  }
}

double plant::machine::friction_growth() const {
  return 1.0 + spall_friction * spall;
}

double plant::machine::friction_watts(double rpm) const {
  return bearing_watts(rpm, program_load, celsius) * friction_growth();
}

double plant::machine::motor_loss_watts() const {
  return rated_watts * program_load * motor_loss * motor_loss_to_bearing;
}

double plant::machine::conductance(double effectiveness) const {
  return air_w_per_k + coolant_w_per_k * effectiveness;
}

// One lumped mass under Newton's law of cooling, C dT/dt = H - G (T - hall), solved exactly for a
// constant H over the step, so that no step can overshoot (Incropera, "the lumped capacitance
// method"; the Biot number of the head is about 0.05). Air and coolant are as warm as the hall.
void plant::machine::exchange_heat(double hall, double seconds) {
  double heat = turning() ? friction_watts(program_rpm) + motor_loss_watts() : 0.0;
  double g = conductance(cooling);
  double settled = hall + heat / g;
  double rate = g / heat_capacity_j_per_k;
  double approach = -std::expm1(-rate * seconds);
  double gap = celsius - settled;
  heat_in_j += heat * seconds;
  heat_out_j += g * ((settled - hall) * seconds + gap * approach / rate);
  celsius -= gap * approach;
}

// Life is used up revolution by revolution (Palmgren-Miner) against the rating life of ISO 281,
// L10 = (C / P)^3 million revolutions.
double plant::machine::lives_used_by(double seconds) const {
  double ratio = dynamic_rating_n / bearing_load(program_load);
  return program_rpm / 60.0 * seconds / (ratio * ratio * ratio * 1e6);
}

// A spent bearing has a spall, which then grows e-fold in `spall_growth_hours` of running.
void plant::machine::wear(double seconds) {
  cooling = std::max(cooling_min, cooling * (1.0 - seconds / seconds_per_hour / clogging_hours));
  if (!turning())
    return;
  life_used += lives_used_by(seconds);
  if (life_used < life)
    return;
  spall = std::max(spall, spall_at_onset);
  spall = std::min(1.0, spall * (1.0 + seconds / seconds_per_hour / spall_growth_hours));
}

// What would make this machine the hotter at its own program: friction above a healthy bearing's,
// or cooling below a maintained one's. Under 5 K nothing is wrong.
machine_fault plant::machine::diagnose() const {
  constexpr double noticeable_k = 5.0;
  constexpr double warm_celsius = 60.0;
  double healthy = bearing_watts(program_rpm, program_load, warm_celsius);
  double total = healthy * friction_growth() + motor_loss_watts();
  double g = conductance(cooling);
  double by_wear = healthy * (friction_growth() - 1.0) / g;
  double by_clogging = total / g - total / conductance(cooling_as_maintained);
  if (std::max(by_wear, by_clogging) < noticeable_k)
    return machine_fault::none;
  return by_wear >= by_clogging ? machine_fault::worn_bearing : machine_fault::clogged_cooling;
}

// Vibration: residual unbalance grows with speed (a spindle of balance grade G0.4 has 0.4 mm/s, ISO
// 21940-11), cutting adds with load, a spall adds independently, hence by squares.
machine_reading plant::machine::read(std::uint32_t index) {
  machine_reading now;
  now.machine = index;
  now.status = status;
  now.fault = fault;
  now.parts = parts;
  double smooth = status == machine_status::tool_change ? 0.45 : 0.12;
  now.power_kw = standby_watts / 1'000.0;
  if (turning()) {
    now.spindle_rpm = program_rpm;
    now.power_kw += (rated_watts * program_load + friction_watts(program_rpm)) / 1'000.0;
    smooth = 0.1 + 0.4 * program_rpm / 9'000.0 + 0.4 * program_load;
  }
  double rough = turning() ? spall_vibration_mm_s * spall : 0.0;
  now.vibration_mm_s = std::hypot(smooth, rough) * (1.0 + vibration_noise * sensors.noise());
  now.temperature_c = celsius + temperature_noise_k * sensors.noise();
  return now;
}

// ---- the plant -------------------------------------------------------------------------------

plant::plant(const plant_options& options) : start_hour_{options.start_hour} {
  GEMEL_CHECK(check(options).has_value());
  machines_.reserve(options.machines);
  for (std::uint32_t i = 0; i < options.machines; ++i)
    machines_.emplace_back(options, i, hall_celsius());
  mark_faulty(options);
  readings_.resize(options.machines);
  step(0);
}

// The first entries of a shuffled list of all machines (Fisher and Yates) get a spall of years of
// use or a filter full of chips.
void plant::mark_faulty(const plant_options& options) {
  random_stream random{options.seed, ~0ull};
  std::vector<std::uint32_t> order(options.machines);
  for (std::uint32_t i = 0; i < options.machines; ++i)
    order[i] = i;
  auto faulty = options.worn_bearings + options.clogging_filters;
  for (std::uint32_t i = 0; i < faulty; ++i) {
    std::swap(order[i], order[random.whole(i, options.machines - 1)]);
    auto& chosen = machines_[order[i]];
    if (i < options.worn_bearings) {
      chosen.life_used = chosen.life;
      chosen.spall = random.between(0.35, 0.55);
    } else {
      chosen.cooling = random.between(0.6, 0.7);
      chosen.clogging_hours = random.between(1.5, 3.0);
    }
    chosen.fault = chosen.diagnose();
  }
}

double plant::hall_celsius() const noexcept {
  double hour = start_hour_ + elapsed_s_ / seconds_per_hour;
  double turn = (hour - hall_warmest_hour) / 24.0 * 2.0 * std::numbers::pi;
  return hall_mean_celsius + hall_swing_kelvin * std::cos(turn);
}

void plant::step(double seconds) {
  GEMEL_CHECK(seconds >= 0.0);
  GEMEL_CHECK(seconds <= step_seconds_max);
  double pieces = std::ceil(seconds);
  for (double i = 0; i < pieces; ++i) {
    double piece = seconds / pieces;
    double hall = hall_celsius();
    for (auto& each : machines_)
      each.advance(hall, piece);
    elapsed_s_ += piece;
  }
  for (std::uint32_t i = 0; i < machines_.size(); ++i)
    readings_[i] = machines_[i].read(i);
}

heat_balance plant::heat(std::size_t index) const {
  GEMEL_CHECK(index < machines_.size());
  const auto& of = machines_[index];
  return {of.heat_in_j, of.heat_out_j, heat_capacity_j_per_k * (of.celsius - of.start_celsius)};
}

double plant::true_celsius(std::size_t index) const {
  GEMEL_CHECK(index < machines_.size());
  return machines_[index].celsius;
}

} // namespace gemel::factory
