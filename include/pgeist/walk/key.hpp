#pragma once

#include <string>
#include <vector>

namespace pgeist::walk {

/// A column of the walked key. Everything that orders or equates keys uses the operators of the walked index.
struct key_column {
    std::string read_name;
    std::string write_name;  ///< the column of the write side that holds the same key (see key::carried)
    std::string type;        ///< the read column's type, for casts of boundaries and for the log's column
    std::string collation;   ///< the index's collation, qualified and quoted; empty when the type has none
    std::string
        less;  ///< e.g. `OPERATOR(pg_catalog.<)`, on the read column's type in the walked index's operator family
    std::string less_equal;
    std::string equal;
    std::string greater_equal;
    std::string greater;
    bool descending = false;
};

/// The key by which rows are walked, logged and found.
struct key {
    std::string index;  ///< name of the walked index on the read side
    std::vector<key_column> columns;
    /// The key is converted in a way that does not keep its order or its equality, or is dropped: the write side
    /// carries the read side's key in extra columns. Otherwise its own key columns compare with the read side's.
    bool carried = false;
    bool hashable =
        true;  ///< every key column's type hashes consistently with the index's equality: replay can be split
};

}  // namespace pgeist::walk
