#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <random>
#include <string>
#include <vector>

namespace pgeist::test {

/// Random texts for properties that hold for all of them. PGEIST_SEED repeats a run, PGEIST_ROUNDS makes it longer.
class property : public ::testing::Test {
protected:
    void SetUp() override {
        const char* given = std::getenv("PGEIST_SEED");
        seed_ = given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
        std::cout << "PGEIST_SEED=" << seed_ << std::endl;
        random_.seed(seed_);
    }

    [[nodiscard]] static int rounds(int usual) {
        const char* given = std::getenv("PGEIST_ROUNDS");
        return given != nullptr ? std::atoi(given) : usual;
    }

    /// A whole number from `low` to `high`, both included.
    std::int64_t pick(std::int64_t low, std::int64_t high) {
        return std::uniform_int_distribution<std::int64_t>(low, high)(random_);
    }

    const std::string& one_of(const std::vector<std::string>& all) {
        return all[static_cast<std::size_t>(pick(0, static_cast<std::int64_t>(all.size()) - 1))];
    }

    /// Up to `most` pieces, one after the other.
    std::string some_of(const std::vector<std::string>& all, int most) {
        std::string text;
        for (std::int64_t left = pick(0, most); left > 0; --left) {
            text += one_of(all);
        }
        return text;
    }

private:
    std::uint64_t seed_ = 0;
    std::mt19937_64 random_;
};

}  // namespace pgeist::test
