"""The output folder. ``store`` describes its files.

::

    store          publish, commit and read: the methods that other rooms call
    lease          one writer at a time
      processes    whether the process of a lease lives
    own_files      whether a run may write into a folder
    records        the record of a finished sample, and the columns of the tables
    record_log     the files of the records
      record_table many files of records -> one table
      valid_rows   which row of a sample counts
      folding      moves small files into large ones during a run
    scored_by      which scores the present scorer computed
    superseded     finished samples that the plan no longer names
      empty_folders  removes folders that have no files any more
    tables         records and plan -> results.parquet, metadata.parquet
"""
