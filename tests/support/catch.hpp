#pragma once

/// The only file that knows which Catch2 this is.
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#ifdef GEMEL_CATCH_MAIN
#define CATCH_CONFIG_RUNNER
#endif
#include <catch2/catch.hpp>
/// Catch2 3 moved it into its namespace.
namespace Catch {
using Detail::Approx;
} // namespace Catch
#endif
