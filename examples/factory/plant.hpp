#pragma once

#include "examples/factory/random.hpp"
#include "messages/error.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

/// A small plant: CNC milling machines whose spindles heat up, wear and vibrate for physical
/// reasons. Simulated time only; the same options give the same readings, bit by bit.
///
/// Per machine, with the sources of its formulas in plant.cpp:
/// - a part program: idle (loading), then cuts with a tool change after each;
/// - one thermal mass, the spindle head at its front bearing: heated by bearing friction and motor
///   losses, cooled by air and by a coolant circuit whose filter clogs (Newton's law of cooling);
/// - a bearing that uses up its rating life (ISO 281), and once that is spent has a spall that
///   grows exponentially while it turns, raising friction and vibration;
/// - sensors with noise, and a controller that stops the spindle when it is too hot.
namespace gemel::factory {

/// Above it the building alerts (the seed's figure).
inline constexpr double alert_celsius = 85.0;
/// At it the machine's own controller stops the spindle.
inline constexpr double trip_celsius = 95.0;
/// Below it a stopped machine is started again.
inline constexpr double restart_celsius = 50.0;

enum class machine_status : std::uint8_t {
  /// Waiting for or loading a workpiece; the spindle stands.
  idle,
  cutting,
  tool_change,
  /// Stopped by its controller at `trip_celsius`.
  alarm,
};

/// What is wrong with a machine, whether or not it shows yet.
enum class machine_fault : std::uint8_t {
  none,
  /// The bearing has a spall, and that heats it more than its cooling lacks.
  worn_bearing,
  /// The coolant filter lets through too little.
  clogged_cooling,
};

std::string_view to_string(machine_status status) noexcept;
std::string_view to_string(machine_fault fault) noexcept;

/// What the sensors and the controller of one machine say.
struct machine_reading {
  /// Index in the plant, from 0.
  std::uint32_t machine = 0;
  machine_status status = machine_status::idle;
  /// Known to the model, not to a sensor: for the explanation afterwards.
  machine_fault fault = machine_fault::none;
  /// At the front spindle bearing; 40 to 75 in a warm healthy machine. Noise deviation 0.2 K.
  double temperature_c = 0;
  /// Root mean square velocity at the bearing housing, as ISO 10816 measures. Noise 3 %.
  double vibration_mm_s = 0;
  /// Electrical power of the spindle drive.
  double power_kw = 0;
  /// Revolutions per minute; 0 unless cutting.
  double spindle_rpm = 0;
  /// Whole parts made so far.
  std::uint32_t parts = 0;

  friend bool operator==(const machine_reading&, const machine_reading&) = default;
};

/// The heat of one machine since the start, in joules. `in = out + stored`, up to rounding.
struct heat_balance {
  /// From friction and motor losses.
  double in = 0;
  /// To air and coolant.
  double out = 0;
  /// In the spindle head, against the start.
  double stored = 0;
};

/// The zone of ISO 10816-3 (group 2: 15 to 300 kW, rigid support) for a vibration velocity:
/// 'A' as new, 'B' good for long use, 'C' repair soon, 'D' does damage.
char vibration_zone(double mm_s) noexcept;

struct plant_options {
  /// 1 to 1,000,000.
  std::uint32_t machines = 100;
  std::uint64_t seed = 1;
  /// Machines that start with a spall in the bearing. They and the next are chosen by the seed.
  std::uint32_t worn_bearings = 2;
  /// Machines whose coolant filter clogs within hours. Together at most `machines`.
  std::uint32_t clogging_filters = 2;
  /// Running hours of every bearing beyond its random age below the end of its life, 0 to
  /// 1,000,000. A bearing whose life these spend gets its first spall at its first cut.
  double age_hours = 0.0;
  /// Time of day at the start, in hours, 0 to 24; the hall is coldest at 3, warmest at 15.
  double start_hour = 6.0;
};

/// Whether `options` are within their bounds.
/// @returns errc::bad_value naming the option and its range.
result<void> check(const plant_options& options);

/// Not thread-safe. Some 200 bytes per machine.
class plant {
public:
  /// `options` must pass `check`. All machines start cold and idle.
  explicit plant(const plant_options& options);

  /// Moves time on by `seconds`, 0 to 86,400, in sub-steps of at most 1 s, and reads the sensors.
  /// The machines' true state does not depend on how a whole number of seconds is cut into steps.
  void step(double seconds);

  /// One per machine, in order of the index. Valid until the next `step`.
  std::span<const machine_reading> readings() const noexcept { return readings_; }

  /// Simulated seconds since the start.
  double elapsed_s() const noexcept { return elapsed_s_; }

  /// The heat that went through machine `index`.
  heat_balance heat(std::size_t index) const;

  /// The bearing temperature of machine `index` without sensor noise.
  double true_celsius(std::size_t index) const;

private:
  struct machine {
    machine(const plant_options& options, std::uint32_t index, double hall_celsius);

    void advance(double hall_celsius, double seconds);
    void begin_next_phase();
    void begin(machine_status phase, double seconds);
    void exchange_heat(double hall_celsius, double seconds);
    void wear(double seconds);
    double friction_watts(double rpm) const;
    double friction_growth() const;
    double motor_loss_watts() const;
    double lives_used_by(double seconds) const;
    double conductance(double effectiveness) const;
    machine_fault diagnose() const;
    machine_reading read(std::uint32_t index);

    bool turning() const noexcept { return status == machine_status::cutting; }

    random_stream schedule; // what the machine does
    random_stream sensors;  // noise, drawn once per reading
    machine_status status = machine_status::idle;
    machine_fault fault = machine_fault::none;
    std::uint32_t tools_per_part = 0;
    std::uint32_t tools_left = 0;
    std::uint32_t parts = 0;
    double remaining_s = 0; // of the present phase
    double program_rpm = 0;
    double program_load = 0; // share of the rated power, 0 to 1
    double cut_s = 0;
    double celsius = 0;
    double start_celsius = 0;
    double heat_in_j = 0;
    double heat_out_j = 0;
    double cooling = 0;        // effectiveness of the coolant circuit, 0 to 1
    double clogging_hours = 0; // its time constant
    double life_used = 0;      // in rating lives (L10)
    double life = 0;           // of this bearing, in rating lives
    double spall = 0;          // 0 none, 1 all around the raceway
  };

  double hall_celsius() const noexcept;
  void mark_faulty(const plant_options& options);

  double start_hour_;
  double elapsed_s_ = 0;
  std::vector<machine> machines_;
  std::vector<machine_reading> readings_;
};

} // namespace gemel::factory
