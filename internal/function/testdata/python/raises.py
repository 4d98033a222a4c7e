print("configuring")
raise ValueError("no configuration")
