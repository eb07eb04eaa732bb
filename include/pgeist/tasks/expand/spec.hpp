#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "pgeist/core/identifier.hpp"
#include "pgeist/pg/session_profile.hpp"
#include "pgeist/pg/statement.hpp"

// Expand: columns are added and kept in step with old ones, in both directions, by one trigger; contract: the old ones
// go.
namespace pgeist::expand {

/// `--conflict`: which side wins when a statement has changed both, and they do not agree.
enum class policy { new_wins, old_wins, error };

/// What the user asked for. Stored with the job.
struct request {
    qualified_name table;              ///< `schema` empty: found through the user's own search_path
    std::vector<std::string> adds;     ///< `COLUMN TYPE [DEFAULT …] [NOT NULL]`
    std::vector<std::string> ups;      ///< `COLUMN = EXPRESSION` over the old columns
    std::vector<std::string> downs;    ///< `OLD_COLUMN = EXPRESSION` over the new columns
    std::vector<std::string> renames;  ///< `OLD=NEW`
    policy conflict = policy::new_wins;
    std::optional<std::string> key_index;

    [[nodiscard]] std::string describe() const;
};

/// A column that is kept in step, and how its value is compared.
struct column {
    std::string name;
    std::string type;                    ///< as format_type prints it with search_path = pg_catalog
    std::string default_value = "NULL";  ///< SQL; qualified
    bool default_differs = false;        ///< at each call: what a row has counts as given
};

/// A column's value from the other side. Columns of the row are written `NEW."pgeist:NAME"`, since the old ones change
/// their names for a while: see in_names().
struct assignment {
    std::string column;
    std::string expression;
    std::string as_given;  ///< the user's text
};

/// Columns that are tied to each other by --up and --down.
struct group {
    std::vector<column> olds;
    std::vector<column> news;
    std::vector<assignment> ups;
    std::vector<assignment> downs;
};

/// A column that is added.
struct added_column {
    std::string name;
    std::string definition;  ///< type and collation
    std::optional<std::string> default_value;
    bool default_later = false;  ///< given by contract only: it draws from a sequence, as the old one's does
    bool not_null = false;
    std::vector<pg::statement> details;  ///< comment, storage, rights …
};

/// An index like one of the old column's.
struct twin_index {
    std::string of;        ///< the old index
    std::string old_name;  ///< whose name it takes by contract; empty: it keeps its own
    std::string name;
    std::string create_sql;  ///< CONCURRENTLY
    bool unique = false;
    std::string constraint;   ///< `UNIQUE`: the old one is a constraint's, so will this be by contract
    std::string partitioned;  ///< for a partitioned table: what comes after the table's name
    /// `DEFERRABLE INITIALLY DEFERRED`: a constraint from the start, made while its columns are empty. Later the index
    /// would check at once while it is built, and statements of the application would fail.
    std::string deferrable;
};

/// A CHECK or foreign key like one of the old column's; not yet valid when it is made.
struct twin_constraint {
    std::string of;        ///< the old constraint
    std::string old_name;  ///< whose name it takes by contract; empty: it keeps its own
    std::string name;
    std::string definition;
    bool stays_not_valid = false;  ///< as the old one is
};

/// A statistics object like one over the old columns, in the same schema.
struct twin_statistics {
    std::string of;        ///< the old object
    std::string old_name;  ///< whose name it takes by contract; empty: it keeps its own
    qualified_name name;
    std::string definition;  ///< between its name and FROM
};

struct spec {
    static constexpr int current_version = 1;
    int version = current_version;

    qualified_name table;
    std::int64_t source_oid = 0;
    bool partitioned = false;
    std::string job_schema;
    std::string trigger;  ///< its name
    policy conflict = policy::new_wins;
    bool bound = false;  ///< the value of no expression depends on the search_path once it is bound
    pg::session_profile profile;
    std::vector<added_column> added;
    std::vector<group> groups;
    std::vector<std::string> replaced;                         ///< old columns that contract drops: those with --down
    std::vector<std::pair<std::string, std::string>> renamed;  ///< old and new name, of --rename
    std::vector<twin_index> indexes;
    std::vector<twin_constraint> constraints;
    std::vector<twin_statistics> statistics;
    bool idle = false;                     ///< the trigger keeps the new columns empty: see twin_index::deferrable
    std::optional<std::string> key_index;  ///< as request::key_index
    std::optional<std::string> fill;       ///< fill::spec as JSON, once the columns are there
    bool filled = false;                   ///< no row is left whose new columns are as they were added
    bool trial = false;                    ///< the old columns are out of sight
    bool contracted = false;

    [[nodiscard]] qualified_name function() const { return {job_schema, "keep_in_step"}; }
    [[nodiscard]] qualified_name counter() const { return {job_schema, "pgeist_conflicts"}; }
    /// What an old column is called while it is out of sight.
    [[nodiscard]] std::string hidden_name(const std::string& column) const { return job_schema + "_" + column; }
};

[[nodiscard]] std::string to_json(const request& value);
[[nodiscard]] request request_from_json(const std::string& text);
[[nodiscard]] std::string to_json(const spec& value);
/// @throws error when the text is none of a version that this program knows
[[nodiscard]] spec spec_from_json(const std::string& text);

/// `--conflict`. @throws usage_error
[[nodiscard]] policy policy_named(const std::string& text);

}  // namespace pgeist::expand
