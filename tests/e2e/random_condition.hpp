#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <vector>

namespace pgeist::test {

/// Random numbers that are the same for the same seed, on every machine.
class dice {
public:
    explicit dice(std::uint64_t seed) : random_(seed) {}

    int below(int limit) { return static_cast<int>(random_() % static_cast<std::uint64_t>(limit)); }
    bool one_in(int n) { return below(n) == 0; }

    const std::string& of(const std::vector<std::string>& choices) {
        return choices[static_cast<std::size_t>(below(static_cast<int>(choices.size())))];
    }

private:
    std::mt19937_64 random_;
};

/// What an expression may use.
struct condition_scope {
    std::string left;         ///< prefix of columns, as "t." or "NEW."
    std::string right;        ///< prefix of others, the same or another row
    bool subqueries = false;  ///< subqueries over app.u are allowed
};

/// A condition over the columns c, d, mail (citext), h, g (hstore), l, m (ltree), tags (citext[]), n (int) of app.t,
/// which means something else, or nothing, to a server that finds other operators by the same names. Immutable.
/// search_path has to have the extensions in it when it is read.
std::string random_condition(dice& chance, const condition_scope& scope);

/// The same as a value of type text.
std::string random_value(dice& chance, const condition_scope& scope);

}  // namespace pgeist::test
