#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace pgeist::test {

/// Where a random schema lives and who acts on it.
struct dependents_setting {
    std::string extensions;  ///< schema of citext, hstore and ltree, as SQL text
    std::string owner;       ///< role that owns the table
    std::string other;       ///< role that owns what hangs on it in schema "Other.One"; the owner is a member of it
    std::string reader;      ///< role that the policies are for
};

/// A table app.t with columns of citext, hstore and ltree, on which dependents of every kind hang, made at random.
struct random_dependents {
    std::string setup;                ///< SQL to be run by a superuser
    std::vector<std::string> change;  ///< arguments of `pgeist run`
    std::string renamed = "d";        ///< what app.t's column d is called afterwards
    std::vector<std::string> probes;  ///< statements whose answers tell what the dependents mean; @d@ is that column
};

/// The same for the same seed. The three extensions are there already.
random_dependents make_random_dependents(std::uint64_t seed, const dependents_setting& setting);

}  // namespace pgeist::test
