#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <sstream>
#include <string>
#include <vector>

#include "pgeist/report/phase.hpp"
#include "pgeist/report/sink.hpp"
#include "pgeist/report/time_source.hpp"

namespace pgeist::report {

/// A sink that keeps what it gets.
class text_sink : public sink {
public:
    using sink::write;
    void write(std::string_view text, importance) override { all += text; }

    /// What came since the last call.
    std::string taken() { return std::exchange(all, {}); }
    [[nodiscard]] std::vector<std::string> lines() const {
        std::vector<std::string> found;
        std::istringstream stream(all);
        for (std::string line; std::getline(stream, line);) {
            found.push_back(line);
        }
        return found;
    }
    [[nodiscard]] bool has(const std::string& text) const { return all.find(text) != std::string::npos; }

    std::string all;
};

/// A phase as a run tells of it.
[[nodiscard]] inline phase phase_named(const std::string& name, const std::string& lock) {
    phase one;
    one.name = name;
    one.lock = lock;
    one.in_chunks = name == "copy" || name == "verify";
    if (one.in_chunks || name == "replay" || name == "swap") {
        one.counts = unit::rows;
    } else if (name == "key" || name == "build") {
        one.counts = unit::indexes;
    }
    return one;
}

/// Output, and a clock that tests move by hand.
class report_test : public ::testing::Test {
protected:
    [[nodiscard]] time_source by_hand() {
        time_source source;
        source.now = [this] { return steady::time_point(std::chrono::hours(1)) + passed; };
        source.today = [this] { return wall::time_point(std::chrono::seconds(1'700'000'000)) + passed; };
        return source;
    }
    void later(std::chrono::milliseconds time) { passed += time; }

    text_sink out;
    text_sink err;
    std::chrono::milliseconds passed{0};
};

}  // namespace pgeist::report
