// Option values made of anything: each is taken, and then survives being stored, or refused as wrong usage.

#include "pgeist/core/error.hpp"
#include "pgeist/core/units.hpp"
#include "pgeist/settings/options.hpp"
#include "property.hpp"

namespace pgeist::run {
namespace {

class OptionProperty : public test::property {
protected:
    std::string value() {
        static const std::vector<std::string> pieces{"0",
                                                     "1",
                                                     "7",
                                                     "10",
                                                     "64",
                                                     "999",
                                                     "9223372036854775807",
                                                     "18446744073709551616",
                                                     "-",
                                                     "+",
                                                     ".",
                                                     "e9",
                                                     "e300",
                                                     "e-5",
                                                     "0x1",
                                                     "inf",
                                                     "nan",
                                                     "us",
                                                     "ms",
                                                     "s",
                                                     "min",
                                                     "h",
                                                     "d",
                                                     "B",
                                                     "kB",
                                                     "MB",
                                                     "GB",
                                                     "TB",
                                                     "%",
                                                     " ",
                                                     ",",
                                                     ":",
                                                     "off",
                                                     "on",
                                                     "none",
                                                     "auto",
                                                     "true",
                                                     "full",
                                                     "sample:",
                                                     "wait",
                                                     "22:00-06:00",
                                                     "\n",
                                                     "\"",
                                                     "'",
                                                     "\\",
                                                     "ä",
                                                     "{"};
        return some_of(pieces, 4);
    }

    std::string whole(std::int64_t number, const std::string& unit) {
        return std::to_string(number) + (pick(0, 1) == 0 ? " " : "") + unit;
    }
};

TEST_F(OptionProperty, EachValueIsTakenAndKeptOrRefused) {
    int taken = 0;
    for (int round = 0; round < rounds(300) && !HasFailure(); ++round) {
        for (const option& each : options()) {
            const std::string given = value();
            settings made;
            try {
                apply_option(made, std::string(each.name), given);
            } catch (const usage_error& refused) {
                EXPECT_NE(std::string(refused.what()), "") << each.name;
                continue;  // anything else that is thrown fails the test
            }
            ++taken;
            const std::string stored = to_json(made);
            EXPECT_EQ(to_json(settings_from_json(stored)), stored) << each.name << " = \"" << given << '"';
            EXPECT_GE(made.workers, 1) << given;
            EXPECT_GE(made.chunk_time.count(), 1) << given;
            EXPECT_GE(made.lock_timeout.count(), 1) << given;
            EXPECT_GE(made.statement_timeout.count(), 0) << given;
            EXPECT_GE(made.reconnect_max.count(), 0) << given;
            EXPECT_GE(made.max_log_size.value_or(0), 0) << given;
        }
    }
    EXPECT_GT(taken, 0);
}

TEST_F(OptionProperty, TimesAreTheNumberTimesTheUnit) {
    const std::vector<std::pair<std::string, std::int64_t>> units{
        {"ms", 1}, {"s", 1000}, {"min", 60'000}, {"h", 3'600'000}, {"d", 86'400'000}};
    for (int round = 0; round < rounds(2000); ++round) {
        const auto& [unit, factor] = units[static_cast<std::size_t>(pick(0, 4))];
        const std::int64_t number = pick(0, 100'000'000);
        EXPECT_EQ(parse_duration(whole(number, unit)).count(), number * factor);
    }
}

TEST_F(OptionProperty, SizesAreTheNumberTimesTheUnit) {
    const std::vector<std::pair<std::string, int>> units{{"", 0}, {"B", 0}, {"kB", 10}, {"MB", 20}, {"GB", 30}};
    for (int round = 0; round < rounds(2000); ++round) {
        const auto& [unit, shift] = units[static_cast<std::size_t>(pick(0, 4))];
        const std::int64_t number = pick(0, 1'000'000);
        EXPECT_EQ(parse_size(std::to_string(number) + unit), number << shift);
    }
}

// A text is a time, or a size, or neither, but never a negative one, and never one that wraps around.
TEST_F(OptionProperty, WhatIsReadIsNeverNegative) {
    for (int round = 0; round < rounds(20'000); ++round) {
        const std::string given = value();
        try {
            EXPECT_GE(parse_duration(given).count(), 0) << given;
        } catch (const usage_error&) {
        }
        try {
            EXPECT_GE(parse_size(given), 0) << given;
        } catch (const usage_error&) {
        }
    }
    EXPECT_THROW(static_cast<void>(parse_duration("1e300s")), usage_error);
    EXPECT_THROW(static_cast<void>(parse_duration("1e15d")), usage_error);
    EXPECT_THROW(static_cast<void>(parse_size("1e15TB")), usage_error);
}

}  // namespace
}  // namespace pgeist::run
