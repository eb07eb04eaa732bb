#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pgeist/ddl/marks.hpp"
#include "pgeist/ddl/splitter.hpp"
#include "pgeist/ddl/statement.hpp"

namespace pgeist::ddl {

/// How much of a file the program that runs it puts into one transaction.
enum class transaction_mode {
    automatic,  ///< by the marks in the file; without one, the whole file
    file,
    statement,
    none,  ///< as `statement`, said by somebody who knows
};

/// A statement of a migration file and where it stands in it.
struct step {
    statement what;
    bool down = false;                  ///< in a section that takes the change back
    std::size_t section = 0;            ///< which of the file's sections
    std::size_t transaction = 0;        ///< steps with the same number are in one transaction; counted through the file
    bool explicit_transaction = false;  ///< between BEGIN and COMMIT
    bool wrapped = false;               ///< the tool that runs the file puts a transaction around it, whatever is in it
    bool inside = false;                ///< certainly in a transaction block, even where it is alone in it
    bool certain = true;  ///< false: whether it is in one transaction with its neighbours depends on who runs the file
};

/// A migration file, understood.
struct migration {
    std::string name;
    std::vector<step> steps;
    std::vector<comment> comments;
    std::vector<std::size_t> line_starts;
    std::string text;
    std::string tool;               ///< whose marks or names it has; empty: none
    std::string problem;            ///< why it cannot be read at all; empty: it can
    bool open_transaction = false;  ///< a BEGIN without its COMMIT
};

/// Cuts and understands a file. `script_config` is what stands beside it for Flyway (V1__x.sql.conf), if anything.
[[nodiscard]] migration read_migration(std::string name, std::string_view text,
                                       transaction_mode mode = transaction_mode::automatic,
                                       std::string_view script_config = {});

}  // namespace pgeist::ddl
