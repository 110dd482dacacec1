"""What arrives through `ChatOpenAI` with Portkey's headers and through `ChatPortkey`, checked feature by feature.

`make features` writes the table in the README.
"""
